//! What a request's head says about answers that are there already: `Cache-Control`, `Idempotency-Key`,
//! `x-gateway-cache-variant`, and the SDKs' count of repetitions.
//!
//! `Cache-Control` is read tolerantly, as RFC 9111 wants it: what is unknown or makes no sense is as if it were not
//! there. The other two are the gateway's own promises, so a value that cannot be kept is refused. `Pragma` is not read.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};
use serde_json::Value;

use super::prefer::split;
use crate::fault::Fault;
use crate::generation::{IdempotencyKey, Reuse, Sharing};
use crate::image::{Fingerprint, Plan};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CACHE_VARIANT: HeaderName = HeaderName::from_static("x-gateway-cache-variant");
const STAINLESS_RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");
/// More header text than this is not looked through.
const LENGTH_MAX: usize = 1024;
/// Characters of a variant's name.
const VARIANT_MAX: usize = 64;

/// The parameter of that name.
pub(super) const SEED: &str = "seed";

/// How a request is to be answered from what is there.
#[derive(Debug)]
pub(super) struct CacheUse {
    pub(super) reuse: Reuse,
    /// Later requests of the team are answered with what this one has made.
    pub(super) stored: bool,
    variant: Option<String>,
    seed: Option<String>,
}

impl CacheUse {
    /// Of a caller whose team shares answers, or not.
    ///
    /// # Errors
    /// 400 for an idempotency key or a variant that is none.
    pub(super) fn of(headers: &HeaderMap, cached: bool) -> Result<Self, Fault> {
        let control = CacheControl::of(headers);
        let sharing = match control {
            CacheControl { no_store: true, .. } => Sharing::Private,
            CacheControl { no_cache: true, .. } => Sharing::Own,
            _ if !cached => Sharing::Own,
            CacheControl { max_age, .. } => Sharing::Shared { max_age },
        };
        let reuse = Reuse {
            sharing,
            only_if_cached: control.only_if_cached,
            automatic_retry: is_automatic_retry(headers),
            idempotency_key: idempotency_key(headers)?,
        };
        Ok(Self {
            reuse,
            stored: cached && sharing != Sharing::Private,
            variant: variant(headers)?,
            seed: None,
        })
    }

    /// Who names another seed wants another picture, also of a model that has none.
    pub(super) fn seeded(mut self, seed: Option<&Value>) -> Self {
        self.seed = seed.map(Value::to_string);
        self
    }

    /// The same picture of another variant is another picture.
    pub(super) fn fingerprint(&self, plan: &Plan) -> Fingerprint {
        let mut fingerprint = plan.fingerprint();
        if let Some(seed) = self.seed.as_ref().filter(|_| plan.ignored.iter().any(|name| name == SEED)) {
            fingerprint = fingerprint.seeded(seed);
        }
        self.variant.as_ref().map_or(fingerprint, |variant| fingerprint.variant(variant))
    }
}

/// The directives that mean something here.
#[derive(Debug, Default, PartialEq, Eq)]
struct CacheControl {
    no_cache: bool,
    no_store: bool,
    only_if_cached: bool,
    /// Of several the shortest.
    max_age: Option<Duration>,
}

impl CacheControl {
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        let mut control = Self::default();
        for item in lines.filter(|line| line.len() <= LENGTH_MAX).flat_map(|line| split(line, ',')) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => control.no_cache = true,
                "no-store" => control.no_store = true,
                "only-if-cached" => control.only_if_cached = true,
                "max-age" => {
                    let age = seconds(value);
                    control.max_age = control.max_age.into_iter().chain(age).min();
                }
                _ => {}
            }
        }
        control
    }
}

/// Whole seconds, quoted or not.
fn seconds(value: &str) -> Option<Duration> {
    let value = value.trim().trim_matches('"');
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Fault> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().and_then(IdempotencyKey::new);
    key.map(Some).ok_or_else(|| {
        Fault::invalid(
            "Idempotency-Key",
            "Invalid header 'Idempotency-Key': it has 1 to 255 printable ASCII characters.",
        )
    })
}

fn variant(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(CACHE_VARIANT) else { return Ok(None) };
    let variant = value.to_str().ok().map(str::trim).filter(|text| (1..=VARIANT_MAX).contains(&text.len()));
    variant.map(|variant| Some(variant.to_owned())).ok_or_else(|| {
        Fault::invalid(
            "x-gateway-cache-variant",
            "Invalid header 'x-gateway-cache-variant': it has 1 to 64 printable ASCII characters.",
        )
    })
}

/// OpenAI's SDKs number their own repetitions; a first try says 0.
fn is_automatic_retry(headers: &HeaderMap) -> bool {
    let count = headers.get(STAINLESS_RETRY_COUNT).and_then(|value| value.to_str().ok());
    count.and_then(|count| count.parse().ok()).is_some_and(|count: u32| count > 0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::Catalog;
    use crate::image::ImageRequest;

    fn head(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        lines.iter().map(line).collect()
    }

    fn sharing(line: &str, cached: bool) -> Sharing {
        CacheUse::of(&head(&[("cache-control", line)]), cached).unwrap().reuse.sharing
    }

    fn shared(seconds: Option<u64>) -> Sharing {
        Sharing::Shared { max_age: seconds.map(Duration::from_secs) }
    }

    #[test]
    fn the_directives_decide_with_whom_is_shared() {
        for (line, with_cache, without) in [
            ("", shared(None), Sharing::Own),
            ("public, immutable", shared(None), Sharing::Own),
            ("max-age=60", shared(Some(60)), Sharing::Own),
            ("Max-Age=\"60\" , MAX-AGE=9", shared(Some(9)), Sharing::Own),
            ("max-age=99999999999999999999", shared(Some(u64::from(u32::MAX))), Sharing::Own),
            ("max-age=soon, max-age", shared(None), Sharing::Own),
            ("no-cache", Sharing::Own, Sharing::Own),
            ("No-Cache, max-age=60", Sharing::Own, Sharing::Own),
            ("no-store", Sharing::Private, Sharing::Private),
            ("no-cache, no-store", Sharing::Private, Sharing::Private),
        ] {
            assert_eq!((sharing(line, true), sharing(line, false)), (with_cache, without), "{line}");
        }
        let both = head(&[("cache-control", "no-transform"), ("cache-control", "x, no-store")]);
        assert_eq!(CacheUse::of(&both, true).unwrap().reuse.sharing, Sharing::Private);
        assert_eq!(CacheUse::of(&head(&[("pragma", "no-cache")]), true).unwrap().reuse.sharing, shared(None));
    }

    #[test]
    fn what_is_made_is_kept_for_the_team_unless_it_is_not_to_be() {
        let stored = |line, cached| CacheUse::of(&head(&[("cache-control", line)]), cached).unwrap().stored;
        assert!(stored("", true) && stored("no-cache", true));
        assert!(!stored("no-store", true) && !stored("", false) && !stored("no-cache", false));
        let only = CacheUse::of(&head(&[("cache-control", "ONLY-IF-CACHED")]), true).unwrap();
        assert!(only.reuse.only_if_cached);
    }

    #[test]
    fn keys_and_variants_are_taken_or_refused_by_name() {
        let long = "k".repeat(256);
        for (name, good, bad) in [
            ("idempotency-key", ["a", "order 7"], ["", long.as_str(), "f\u{fc}chse"]),
            ("x-gateway-cache-variant", ["2", "second try"], ["", &long[..65], "f\u{fc}chse"]),
        ] {
            for value in good {
                assert!(CacheUse::of(&head(&[(name, value)]), true).is_ok(), "{name}: {value}");
            }
            for value in bad {
                let fault = CacheUse::of(&head(&[(name, value)]), true).unwrap_err();
                let param = fault.param().unwrap().to_ascii_lowercase();
                assert_eq!((fault.status(), param.as_str()), (400, name), "{value}");
                assert!(fault.message().to_ascii_lowercase().contains(name));
            }
        }
    }

    #[test]
    fn a_variant_is_another_picture() {
        let plan = Catalog::default().plan(ImageRequest::new("a fox"), false).unwrap();
        let of = |lines: &[_]| CacheUse::of(&head(lines), true).unwrap().fingerprint(&plan);
        let (unvaried, first) = (of(&[]), of(&[("x-gateway-cache-variant", "1")]));
        assert_eq!(unvaried, plan.fingerprint());
        assert!(first != unvaried && first == of(&[("x-gateway-cache-variant", " 1 ")]));
        assert_ne!(first, of(&[("x-gateway-cache-variant", "2")]));
    }

    #[test]
    fn a_seed_is_another_picture_where_the_model_has_none_too() {
        let of = |model: &str, seed: Option<i64>| {
            let mut request = ImageRequest { model: Some(model.to_owned()), ..ImageRequest::new("a fox") };
            request.native.extend(seed.map(|seed| (SEED.to_owned(), seed.into())));
            let cache = CacheUse::of(&head(&[]), true).unwrap().seeded(request.native.get(SEED));
            cache.fingerprint(&Catalog::default().plan(request, false).unwrap())
        };
        for model in ["gpt-image-2", "z-image-turbo"] {
            let prints = [of(model, None), of(model, Some(1)), of(model, Some(2))];
            assert!(prints[0] != prints[1] && prints[0] != prints[2] && prints[1] != prints[2], "{model}");
            assert_eq!(of(model, Some(1)), prints[1]);
        }
    }

    proptest! {
        #[test]
        fn any_header_is_borne(line in "[ -~]{0,60}") {
            let control = CacheControl::of(&head(&[("cache-control", &format!("{line}, no-store"))]));
            prop_assert!(control.no_store || line.contains('"'));
        }
    }
}
