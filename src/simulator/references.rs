//! Checks the reference pictures and the mask of a create, as far as they are files of this simulator.
//!
//! Links to other hosts are taken on trust: the simulator makes no calls to the outside for them.

use std::io::Cursor;

use image::{ImageDecoder, ImageReader};

use super::World;
use super::order::Order;
use super::task::message_of;

/// Why the pictures cannot be used: the message of a failed task.
pub(super) fn problem(world: &World, host: &str, order: &Order) -> Option<String> {
    // of the first picture, which the mask applies to; none when it is elsewhere
    let mut first_size = None;
    for (index, url) in order.references.iter().enumerate() {
        let Some(path) = own_path(host, url) else { continue };
        let Some((size, _)) = shape(world, path) else {
            return Some(message_of("image_processing_error", 1));
        };
        if index == 0 {
            first_size = Some(size);
        }
    }
    let path = own_path(host, order.mask.as_deref()?)?;
    let problem = match (shape(world, path), first_size) {
        (None, _) => "the mask is not accessible",
        (Some((_, false)), _) => "mask image missing alpha channel",
        (Some((size, true)), Some(first)) if size != first => "mask size does not match image size",
        _ => return None,
    };
    Some(format!("Invalid mask image format - {problem} (request id: {:020})", 2))
}

/// The path below `/files/` if the link points to this simulator.
fn own_path<'a>(host: &str, url: &'a str) -> Option<&'a str> {
    url.strip_prefix("http://")?.strip_prefix(host)?.strip_prefix("/files/")
}

/// Size of a stored picture and whether it has an alpha channel.
fn shape(world: &World, path: &str) -> Option<((u32, u32), bool)> {
    let bytes = world.shelf().bytes_of(path)?;
    let decoder = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_decoder().ok()?;
    Some((decoder.dimensions(), decoder.color_type().has_alpha()))
}
