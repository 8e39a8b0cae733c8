//! What tests ask for.

use bytes::Bytes;

use super::super::super::*;
use crate::catalog::Catalog;
use crate::image::{ContentHash, Format, ImageRequest, InputPicture, Pixels, Plan, Reference};
use crate::media::InputFile;
use crate::quota::{Settlement, Spent, UsageRow, Used};

pub(in crate::generation) fn owner(plan: &Plan) -> Owner {
    Owner { team: "design".into(), key: "ci".into(), fingerprint: plan.fingerprint() }
}

/// A wish that shares with nobody but its own repetitions.
pub(in crate::generation) fn own(plan: &Arc<Plan>) -> Wish {
    wish(plan, Reuse { sharing: Sharing::Own, ..Reuse::default() })
}

pub(in crate::generation) fn wish(plan: &Arc<Plan>, reuse: Reuse) -> Wish {
    let limits = Quota::unlimited().limits(&"design".into(), "ci");
    let (plan, owner, price) = (Arc::clone(plan), owner(plan), plan.price);
    Wish { plan, owner, inputs: Vec::new(), reuse, limits, price }
}

/// Of an end that cost nothing.
pub(in crate::generation) fn settlement() -> Box<Settlement> {
    let day = "2026-11-22".parse().unwrap();
    let (team, key, model) = ("design".into(), "ci".into(), "gpt-image-2".into());
    let usage = UsageRow { day, team, key, model, used: Used::default() };
    Box::new(Settlement { spent: Spent::default(), micro_credits_per_usd: 68_000_000, usage })
}

/// A plan for `count` images of `prompt` with these pictures.
pub(in crate::generation) fn plan(prompt: &str, count: u8, pictures: &[InputFile]) -> Arc<Plan> {
    let mut plan = Catalog::default().plan(ImageRequest::new(prompt), false).unwrap();
    plan.count = count;
    plan.task.references = pictures.iter().map(|file| Reference::Picture(*file.picture())).collect();
    Arc::new(plan)
}

/// A picture of the content `text`.
pub(in crate::generation) fn picture(text: &str) -> InputFile {
    picture_of(Bytes::from(text.to_owned()))
}

pub(in crate::generation) fn picture_of(bytes: Bytes) -> InputFile {
    let picture = InputPicture {
        content: ContentHash::of(&bytes),
        bytes: u64::try_from(bytes.len()).unwrap(),
        format: Format::Png,
        pixels: Pixels::new(1, 1),
        alpha: true,
    };
    InputFile::new(picture, bytes)
}
