//! Bytes that can be looked at in any place: in memory or on disk.

/// A file, wherever it is.
pub(in crate::media) trait Look {
    fn length(&self) -> u64;

    /// Fills `into` with the bytes from `at` on; false where there are not that many.
    fn read(&self, at: u64, into: &mut [u8]) -> bool;
}

impl Look for &[u8] {
    fn length(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read(&self, at: u64, into: &mut [u8]) -> bool {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..));
        let found = rest.and_then(|rest| rest.get(..into.len()));
        found.is_some_and(|found| {
            into.copy_from_slice(found);
            true
        })
    }
}

/// The `N` bytes from `at` on.
pub(super) fn array<const N: usize>(file: &dyn Look, at: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read(at, &mut bytes).then_some(bytes)
}
