//! Where a value stands in the configuration, written as `teams[0].keys[1].sha256`.

use std::fmt;

/// One step into a map or a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A place in the tree, from the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

impl Path {
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// From keys only, for example `["evolink", "api_key"]`.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::from(*key)).collect())
    }

    pub fn push(&mut self, step: impl Into<Step>) {
        self.0.push(step.into());
    }

    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// This path and one step more.
    #[must_use]
    pub fn join(&self, step: impl Into<Step>) -> Self {
        let mut longer = self.clone();
        longer.push(step);
        longer
    }

    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// True for the place `above` itself and for everything below it.
    pub fn starts_with(&self, above: &Self) -> bool {
        self.0.starts_with(&above.0)
    }

    /// As [`Path::starts_with`]. In a pattern, `*` is any key or index.
    pub fn is_under(&self, pattern: &[&str]) -> bool {
        self.0.len() >= pattern.len()
            && self.0.iter().zip(pattern).all(|(step, want)| match step {
                Step::Key(key) => *want == "*" || key == want,
                Step::Index(_) => *want == "*",
            })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.is_empty() || key.contains(['.', '[', ']', ' ']) => {
                    write!(f, "[{key:?}]")?;
                }
                Step::Key(key) if place == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}
