//! What a part is, by its name.

use crate::openai::parameter_names;

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A picture, with its number in `image[1]`.
    Image(Option<u32>),
    Mask,
    Text,
    /// A file that means nothing here.
    Nothing,
}

impl Role {
    /// Known names mean what they mean, with a file name or without; of others a file name makes a file.
    pub(super) fn of(name: &str, has_file_name: bool) -> Self {
        let (base, brackets) = name.find('[').map_or((name, ""), |at| name.split_at(at));
        let number = brackets.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match (base, number) {
            ("image" | "images", None) if brackets.is_empty() => Self::Image(None),
            ("image" | "images", Some("")) => Self::Image(None),
            ("image" | "images", Some(digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A number too large for any list stands behind all others.
                Self::Image(Some(digits.parse().unwrap_or(u32::MAX)))
            }
            ("mask", None) if brackets.is_empty() => Self::Mask,
            ("mask", Some("")) => Self::Mask,
            ("markup", _) => Self::Nothing,
            _ if !has_file_name || parameter_names().any(|known| known == base) => Self::Text,
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_under_many_names() {
        for name in ["image", "image[]", "images", "images[]"] {
            assert_eq!((Role::of(name, true), Role::of(name, false)), (Role::Image(None), Role::Image(None)));
        }
        assert_eq!(Role::of("image[0]", true), Role::Image(Some(0)));
        assert_eq!(Role::of("images[15]", true), Role::Image(Some(15)));
        assert_eq!(Role::of("image[99999999999999]", true), Role::Image(Some(u32::MAX)));
        for name in ["mask", "mask[]"] {
            assert_eq!((Role::of(name, true), Role::of(name, false)), (Role::Mask, Role::Mask));
        }
    }

    #[test]
    fn known_texts_are_texts_even_as_files_and_other_files_mean_nothing() {
        for name in ["prompt", "n", "model_params[a]", "image_urls[]"] {
            assert_eq!((Role::of(name, true), Role::of(name, false)), (Role::Text, Role::Text), "{name}");
        }
        for name in ["logo", "image[a]", "image[", "imagex", "mask[0]"] {
            assert_eq!((Role::of(name, true), Role::of(name, false)), (Role::Nothing, Role::Text), "{name}");
        }
        assert_eq!((Role::of("markup", true), Role::of("markup", false)), (Role::Nothing, Role::Nothing));
    }
}
