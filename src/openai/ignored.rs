//! The names of parameters without effect: as the client wrote them, but not too many and not too long, and made fit
//! for the header `x-gateway-ignored`.

/// Characters of one name.
const NAME_CHARS_MAX: usize = 64;
/// Names in all; one more entry, `...`, says that there were others.
const NAMES_MAX: usize = 32;

/// Adds `name`, cut when long and without control characters, unless the list is full.
pub fn ignore(names: &mut Vec<String>, name: &str) {
    if names.len() < NAMES_MAX {
        names.push(name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect());
    } else if names.len() == NAMES_MAX {
        names.push("...".to_owned());
    }
}

/// The value of `x-gateway-ignored`: printable ASCII, separated by commas.
pub fn ignored_header(names: &[String]) -> String {
    names.iter().map(|name| header_name(name)).collect::<Vec<_>>().join(", ")
}

fn header_name(name: &str) -> String {
    let kept: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
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
        assert_eq!(names[..4], ["style", "a,b;c\"d", "ключset-cookie: x", ""], "the client knows them again");
        let header = ignored_header(&names);
        let told: Vec<_> = header.split(", ").collect();
        assert_eq!(told[..4], ["style", "a_b_c_d", "____set-cookie:_x", "_"]);
        assert_eq!((told[4].len(), told.len()), (NAME_CHARS_MAX, 5));
    }

    #[test]
    fn a_flood_of_names_is_cut() {
        let mut names = Vec::new();
        (0..1000).for_each(|number| ignore(&mut names, &number.to_string()));
        assert_eq!(names.len(), NAMES_MAX + 1);
        assert_eq!(names.last().unwrap(), "...");
    }
}
