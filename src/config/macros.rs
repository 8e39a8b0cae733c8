//! One declaration, many products: a struct with its defaults, its reader, its schema and its printed form.
//!
//! ```text
//! settings! {
//!     /// What it is.
//!     pub struct Poll {
//!         /// Has a default and bounds.
//!         per_second: u32 = 10 => 1..=10_000,
//!     }
//! }
//! ```
//!
//! A field without `= default` is required; a struct with such a field has no `Default`.
//! `pub struct Alias (or just model) {…}` also takes a plain text, meaning that field.

macro_rules! settings {
    // Every field has a default.
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident {
            $( $(#[doc = $field_doc:literal])+ $field:ident : $type:ty = $default:expr $(=> $range:expr)? ),+ $(,)?
        }
    ) => {
        $crate::config::macros::settings!(@all [$($doc)+] $name [] {
            $( [$($field_doc)+] $field [$type] [$default] [$($range)?] )+
        });

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default ),+ }
            }
        }
    };

    // Some field is required.
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident $((or just $short:ident))? {
            $( $(#[doc = $field_doc:literal])+
                $field:ident : $type:ty $(= $default:expr $(=> $range:expr)?)? ),+ $(,)?
        }
    ) => {
        $crate::config::macros::settings!(@all [$($doc)+] $name [$($short)?] {
            $( [$($field_doc)+] $field [$type] [$($default)?] [$($($range)?)?] )+
        });
    };

    (@all [$($doc:literal)+] $name:ident [$($short:ident)?] {
        $( [$($field_doc:literal)+] $field:ident [$type:ty] [$($default:expr)?] [$($range:expr)?] )+
    }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $field_doc])+ pub $field: $type ),+
        }

        impl $crate::config::setting::Setting for $name {
            fn read(
                value: &serde_json::Value,
                reader: &mut $crate::config::setting::Reader<'_>,
            ) -> Option<Self> {
                let short: &[&str] = &[$( stringify!($short) )?];
                let fields = reader.fields(value, &[$( stringify!($field) ),+], short.first().copied())?;
                $(
                    let $field = reader.field::<$type>(
                        &fields,
                        stringify!($field),
                        $crate::config::macros::settings!(@default [$type] [$($default)?]),
                    );
                    $( let $field = reader.within(stringify!($field), $field, &($range)); )?
                )+
                Some(Self { $( $field: $field? ),+ })
            }

            fn schema() -> serde_json::Value {
                let schema = $crate::config::setting::struct_schema(&[$($doc),+], &[$({
                    let default = $crate::config::macros::settings!(@default [$type] [$($default)?]);
                    let field = $crate::config::setting::field_schema::<$type>(&[$($field_doc),+], default);
                    $( let field = $crate::config::setting::bounded::<$type>(field, &($range)); )?
                    (stringify!($field), field, default.is_none())
                }),+]);
                $( let schema = {
                    let _ = stringify!($short);
                    serde_json::json!({"anyOf": [{"type": "string"}, schema]})
                }; )?
                schema
            }

            fn shown(&self, secrets: $crate::config::shown::Secrets) -> $crate::config::shown::Shown {
                let shown = $crate::config::shown::Shown::Map(vec![
                    $( (
                        stringify!($field).to_owned(),
                        $crate::config::setting::Setting::shown(&self.$field, secrets),
                    ) ),+
                ]);
                $( let shown = shown.shortened(stringify!($short)); )?
                shown
            }
        }
    };

    (@default [$type:ty] []) => { None::<fn() -> $type> };
    (@default [$type:ty] [$default:expr]) => { Some::<fn() -> $type>(|| $default) };
}
pub(crate) use settings;

/// A closed set of words. Makes the enum, its names, and the setting.
macro_rules! choices {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident { $( $(#[doc = $choice_doc:literal])* $choice:ident = $word:literal ),+ $(,)? }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $choice_doc])* $choice ),+
        }

        impl $name {
            /// The word in the configuration.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$choice => $word ),+ }
            }
        }

        $crate::config::macros::choices!(@setting $name { $( $name::$choice => $word ),+ });
    };

    // An enum of the vocabulary.
    (@setting $name:ident { $( $choice:path => $word:literal ),+ }) => {
        impl $crate::config::setting::Setting for $name {
            fn read(
                value: &serde_json::Value,
                reader: &mut $crate::config::setting::Reader<'_>,
            ) -> Option<Self> {
                match value.as_str() {
                    $( Some($word) => Some($choice), )+
                    _ => reader.wrong(value, &format!("must be one of {}", [$($word),+].join(", "))),
                }
            }

            fn schema() -> serde_json::Value {
                $crate::config::scalar::or_expression(&serde_json::json!({"enum": [$($word),+]}))
            }

            fn shown(&self, _: $crate::config::shown::Secrets) -> $crate::config::shown::Shown {
                $crate::config::shown::Shown::plain(self.name())
            }
        }
    };
}
pub(crate) use choices;
