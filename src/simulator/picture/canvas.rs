//! A sheet of cells in RGB or RGBA, filled with a gradient.

use crate::image::Pixels;

/// Rows of cells, three or four bytes each.
pub(super) struct Canvas {
    cells: Vec<u8>,
    pub width: usize,
    pub height: usize,
    /// Bytes of a cell: 3, or 4 with transparency.
    depth: usize,
    /// What letters are written in.
    ink: [u8; 4],
}

/// How many cells a picture has.
pub(super) fn cells(pixels: Pixels) -> usize {
    usize::try_from(pixels.area()).unwrap_or(usize::MAX)
}

impl Canvas {
    /// A diagonal gradient of two dark colours taken from `seed`, with white ink; or, transparent, nothing with dark ink.
    pub fn new(pixels: Pixels, transparent: bool, seed: u64) -> Self {
        let width = usize::try_from(pixels.width).unwrap_or(0);
        let height = usize::try_from(pixels.height).unwrap_or(0);
        let (from, to) = colours(seed);
        if transparent {
            let [red, green, blue] = from;
            let cells = vec![0; width * height * 4];
            return Self { cells, width, height, depth: 4, ink: [red, green, blue, 255] };
        }
        // each row is the one above moved by a cell, so one long line holds them all
        let line: Vec<u8> = (0..width + height).flat_map(|at| blend(from, to, at, width + height)).collect();
        let mut cells = Vec::with_capacity(width * height * 3);
        for row in 0..height {
            cells.extend_from_slice(line.get(row * 3..(row + width) * 3).unwrap_or_default());
        }
        Self { cells, width, height, depth: 3, ink: [255; 4] }
    }

    /// Fills a rectangle with ink; what lies outside the sheet is left out.
    pub fn ink(&mut self, left: usize, top: usize, width: usize, height: usize) {
        let right = left.saturating_add(width).min(self.width);
        for row in top..top.saturating_add(height).min(self.height) {
            let start = (row * self.width + left) * self.depth;
            let end = (row * self.width + right) * self.depth;
            for cell in self.cells.get_mut(start..end).unwrap_or_default().chunks_exact_mut(self.depth) {
                cell.copy_from_slice(self.ink.get(..self.depth).unwrap_or_default());
            }
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.cells
    }
}

/// Two colours dark enough for white letters.
fn colours(seed: u64) -> ([u8; 3], [u8; 3]) {
    let [red, green, blue, to_red, to_green, to_blue, ..] = seed.to_le_bytes().map(|byte| 24 + byte % 112);
    ([red, green, blue], [to_red, to_green, to_blue])
}

fn blend(from: [u8; 3], to: [u8; 3], at: usize, of: usize) -> [u8; 3] {
    let [r, g, b] = from;
    let [red, green, blue] = to;
    let mix = |a: u8, b: u8| {
        let sum = usize::from(a) * (of - at) + usize::from(b) * at;
        u8::try_from(sum / of.max(1)).unwrap_or(u8::MAX)
    };
    [mix(r, red), mix(g, green), mix(b, blue)]
}
