//! "Did you mean": the known name nearest to one that is not known.

/// A sentence on an unknown name, with the nearest known one or else all of them.
pub fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown {kind}; did you mean `{near}`?"),
        None => format!("unknown {kind}; known here: {}", known.join(", ")),
    }
}

/// The known name within a third of its length in edits, if any.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|known| (edits(&name, &known.replace('-', "_")), *known))
        .filter(|(edits, known)| *edits <= known.len().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein distance.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((b, diagonal), above) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            let before = next.last().copied().unwrap_or_default();
            let replaced = diagonal + usize::from(a != *b);
            next.push(replaced.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_finds_the_nearest_name() {
        let known = ["listen", "admin_listen", "deadline", "drain"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("admin-listen", &known), Some("admin_listen"));
        assert_eq!(nearest("deadlines", &known), Some("deadline"));
        assert_eq!(nearest("colour", &known), None);
    }

    #[test]
    fn distances_count_single_edits() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
