//! Faults that wait to strike, with their counts.

use super::{Details, Effect, Fault};

/// Most faults read from one prompt; the rest of its brackets are words.
const WORDS_MAX: usize = 16;

/// A fault and how often it has struck.
#[derive(Debug, Clone)]
pub struct Armed {
    pub fault: Fault,
    struck: u32,
}

impl Armed {
    pub fn new(fault: Fault) -> Self {
        Self { fault, struck: 0 }
    }

    /// How often it can still strike; without end when none.
    pub fn left(&self) -> Option<u32> {
        self.fault.times.map(|times| times.saturating_sub(self.struck))
    }

    /// The first fault in `armed` that `pick` takes, that fits the prompt and is not used up; it has struck once more.
    pub fn take<T>(
        armed: &mut [Self],
        prompt: &str,
        pick: impl Fn(&Effect) -> Option<T>,
    ) -> Option<(T, Details)> {
        for one in armed {
            let fits = one.fault.contains.as_deref().is_none_or(|part| prompt.contains(part));
            if one.left() == Some(0) || !fits {
                continue;
            }
            if let Some(picked) = pick(&one.fault.effect) {
                one.struck = one.struck.saturating_add(1);
                return Some((picked, one.fault.details.clone()));
            }
        }
        None
    }
}

/// The faults written in square brackets in a prompt; other brackets are words.
pub fn words_in(prompt: &str) -> Vec<Fault> {
    if !prompt.contains('[') {
        return Vec::new();
    }
    let bracketed = prompt.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    bracketed.filter_map(|(word, _)| word.parse().ok()).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::faults::Create;

    fn create(effect: &Effect) -> Option<Create> {
        if let Effect::Create(create) = effect { Some(*create) } else { None }
    }

    #[test]
    fn a_counted_fault_strikes_so_often_and_then_the_next_one() {
        let faults = words_in("a [cat] on a mat [create:lost*1] [create:html*2] [poll:500");
        let mut armed: Vec<Armed> = faults.into_iter().map(Armed::new).collect();
        assert_eq!(armed.len(), 2);
        let struck: Vec<_> =
            std::iter::from_fn(|| Armed::take(&mut armed, "", create)).map(|(create, _)| create).collect();
        assert_eq!(struck, [Create::Lost, Create::Html, Create::Html]);
    }

    #[test]
    fn a_fault_for_some_prompts_leaves_others_alone() {
        let mut armed = vec![Armed::new("create:500;contains=dog".parse().unwrap())];
        assert!(Armed::take(&mut armed, "a cat", create).is_none());
        assert!(Armed::take(&mut armed, "a dog", create).is_some());
        assert!(Armed::take(&mut armed, "a dog", create).is_some(), "without a count it strikes always");
    }
}
