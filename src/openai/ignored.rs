//! The names in `x-gateway-ignored`: made fit for a header, and not too many.

/// Characters of one name.
const NAME_CHARS_MAX: usize = 64;
/// Names in all; one more entry, `...`, says that there were others.
const NAMES_MAX: usize = 32;

/// Adds `name`, reduced to printable ASCII without separators, unless the list is full.
pub fn ignore(names: &mut Vec<String>, name: &str) {
    if names.len() < NAMES_MAX {
        names.push(header_name(name));
    } else if names.len() == NAMES_MAX {
        names.push("...".to_owned());
    }
}

fn header_name(name: &str) -> String {
    let kept: String = name.chars().take(NAME_CHARS_MAX).map(|c| if fits(c) { c } else { '_' }).collect();
    if kept.is_empty() { "_".to_owned() } else { kept }
}

fn fits(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, ',' | ';' | '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_fit_for_a_header() {
        let mut names = Vec::new();
        for name in ["style", "a,b;c\"d", "ключ\r\nset-cookie: x", "", &"x".repeat(500)] {
            ignore(&mut names, name);
        }
        assert_eq!(names[..4], ["style", "a_b_c_d", "______set-cookie:_x", "_"]);
        assert_eq!(names[4].len(), NAME_CHARS_MAX);
    }

    #[test]
    fn a_flood_of_names_is_cut() {
        let mut names = Vec::new();
        (0..1000).for_each(|number| ignore(&mut names, &number.to_string()));
        assert_eq!(names.len(), NAMES_MAX + 1);
        assert_eq!(names.last().unwrap(), "...");
    }
}
