use http::HeaderValue;
use http::header::CONTENT_ENCODING;
use tokio::time::Instant;

use super::*;
use crate::image::ContentHash;

mod any_form;
mod refusals;

/// The smallest whole PNG that this house takes, told from others by `mark`: nothing looks into its data.
fn png(mark: u8, length: usize) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x03\x08\x02\0\0\0CRC4".to_vec();
    let data = length - png.len() - 12 - 12;
    png.extend(u32::try_from(data).unwrap().to_be_bytes());
    png.extend(b"IDAT");
    png.extend(std::iter::repeat_n(mark, data));
    png.extend(b"CRC4\0\0\0\0IEND\xaeB`\x82");
    assert_eq!(png.len(), length);
    png
}

/// A part's head as clients write it.
fn head(name: &str, file_name: Option<&str>) -> String {
    let file =
        file_name.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: application/octet-stream"));
    format!("Content-Disposition: form-data; name=\"{name}\"{}\r\n\r\n", file.unwrap_or_default())
}

/// A form of parts `(name, file name, content)` with the boundary `x`.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        body.extend(format!("--x\r\n{}", head(name, *file_name)).bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--x--\r\n");
    body
}

fn headers(content_type: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())])
}

/// A body of unknown length in pieces.
fn pieces(bytes: &[u8], step: usize) -> Body {
    let pieces: Vec<_> = bytes.chunks(step).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    Body::from_stream(futures_util::stream::iter(pieces))
}

/// What the tests read with.
struct Desk {
    limits: FormLimits,
    budget: BodyBudget,
    spool: Spool,
    _directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            limits: FormLimits::new(100 * 1024 * 1024),
            budget: BodyBudget::new(8 * 1024 * 1024),
            spool: Spool::new(directory.path()),
            _directory: directory,
        }
    }

    async fn read_as(&self, content_type: &str, body: Body) -> Result<Form, Fault> {
        read_form(&headers(content_type), body, &self.limits, &self.budget, &self.spool).await
    }

    async fn read(&self, body: Body) -> Result<Form, Fault> {
        self.read_as("multipart/form-data; boundary=x", body).await
    }

    async fn read_parts(&self, parts: &[(&str, Option<&str>, &[u8])]) -> Result<Form, Fault> {
        self.read(Body::from(form(parts))).await
    }

    /// The budget has nothing left out.
    fn is_idle(&self) -> bool {
        self.budget.share().unwrap().cover(8 * 1024 * 1024).is_ok()
    }
}

fn contents(files: &[InputFile]) -> Vec<ContentHash> {
    files.iter().map(|file| file.picture().content).collect()
}

fn hashes(bytes: &[Vec<u8>]) -> Vec<ContentHash> {
    bytes.iter().map(|bytes| ContentHash::of(bytes)).collect()
}

#[tokio::test]
async fn the_forms_of_all_clients_are_read_alike() {
    let desk = Desk::new();
    let [one, two, mask] = [1, 2, 3].map(|mark| png(mark, 300));
    // (names of the two pictures, file name, whether the mask comes first)
    for (first, second, file, mask_first) in [
        ("image[]", "image[]", Some("upload"), false),
        ("image", "image", Some("blob"), true),
        ("images", "images[]", None, false),
        ("image[0]", "image[1]", Some(""), true),
    ] {
        let pictures = [(first, file, one.as_slice()), (second, file, two.as_slice())];
        let mask = [("mask", file, mask.as_slice())];
        let texts = [("prompt", None, b"a \r\n--cat".as_slice()), ("n", Some("n.txt"), b"2")];
        let parts = if mask_first {
            [mask.as_slice(), &texts, &pictures].concat()
        } else {
            [texts.as_slice(), &pictures, &mask].concat()
        };
        let form = desk.read_parts(&parts).await.unwrap();
        let texts = [("prompt".to_owned(), "a \r\n--cat".to_owned()), ("n".to_owned(), "2".to_owned())];
        assert_eq!(form.fields, texts, "{first}");
        assert_eq!(contents(&form.images), hashes(&[one.clone(), two.clone()]), "{first}");
        assert_eq!(form.mask.unwrap().picture().content, ContentHash::of(mask[0].2));
        assert!(form.ignored.is_empty());
    }
}

#[tokio::test]
async fn numbered_pictures_stand_by_their_numbers_behind_the_others() {
    let desk = Desk::new();
    let pictures: Vec<_> = (0..5).map(|mark| png(mark, 300)).collect();
    let names = ["image[10]", "image[]", "images[2]", "image[02]", "image"];
    let parts: Vec<_> =
        names.iter().zip(&pictures).map(|(name, bytes)| (*name, Some("a"), bytes.as_slice())).collect();
    let form = desk.read_parts(&parts).await.unwrap();
    let order = [1, 4, 2, 3, 0].map(|at| pictures[at].clone());
    assert_eq!(contents(&form.images), hashes(&order));
}

#[tokio::test]
async fn files_without_meaning_are_read_away_and_named() {
    let (desk, junk) = (Desk::new(), vec![7; 2_000_000]);
    let parts: [(&str, _, &[u8]); 4] = [
        ("markup", None, &junk),
        ("logo", Some("logo.svg"), &junk),
        ("prompt", None, b"a"),
        ("logo", Some("logo.svg"), &junk),
    ];
    let form = desk.read_parts(&parts).await.unwrap();
    assert_eq!(form.ignored, ["markup", "logo"]);
    assert_eq!(form.fields.len(), 1);
}

#[tokio::test]
async fn a_file_that_was_not_chosen_is_absent() {
    let desk = Desk::new();
    let picture = png(1, 300);
    let parts: [(&str, _, &[u8]); 4] = [
        ("image", Some(""), b""),
        ("mask", None, b""),
        ("image", Some("a.png"), &picture),
        ("mask", Some(""), b""),
    ];
    let form = desk.read_parts(&parts).await.unwrap();
    assert_eq!((form.images.len(), form.mask.is_none()), (1, true));
}

#[tokio::test]
async fn a_form_is_read_to_its_end_with_what_stands_around_it() {
    let desk = Desk::new();
    let body =
        [b"This is a preamble.\r\n".to_vec(), form(&[("n", None, b"1")]), vec![b' '; 100_000]].concat();
    for step in [1, 7, 100_000] {
        assert_eq!(desk.read(pieces(&body, step)).await.unwrap().fields.len(), 1);
    }
    assert!(desk.read(Body::from("--x--")).await.unwrap().fields.is_empty(), "a form of nothing");
}

#[tokio::test]
async fn texts_and_small_pictures_take_from_the_budget_and_give_it_back() {
    let desk = Desk::new();
    let picture = png(1, 200_000);
    let parts = vec![("image[]", Some("a"), picture.as_slice()); 16];
    let form = desk.read_parts(&parts).await.unwrap();
    let left = 8 * 1024 * 1024 - 16 * 200_000;
    assert!(desk.budget.share().unwrap().cover(left - 20_000).is_ok());
    assert!(desk.budget.share().unwrap().cover(left + 20_000).is_err(), "the pictures are counted");
    let fault = desk.read_parts(&[parts.as_slice(), &parts].concat()[..17]).await.unwrap_err();
    assert_eq!(fault.param(), Some("image"));
    let mut others = Vec::new();
    while let Ok(other) = desk.read_parts(&parts).await {
        others.push(other);
    }
    assert_eq!(desk.read_parts(&parts).await.unwrap_err().kind(), FaultKind::Overloaded);
    drop((form, others));
    assert!(desk.is_idle(), "all given back, of the refused ones too");
}

#[tokio::test]
async fn a_picture_of_fifty_megabytes_is_kept_on_disk_and_leaves_the_budget_alone() {
    let mut desk = Desk::new();
    desk.budget = BodyBudget::new(400 * 1024);
    let picture = png(1, usize::try_from(FILE_BYTES_MAX).unwrap());
    let body = form(&[("image", Some("big.png"), &picture), ("prompt", None, b"a")]);
    let form = desk.read(Body::from(body)).await.unwrap();
    assert_eq!(form.images[0].picture().bytes, FILE_BYTES_MAX);
    assert_eq!(form.images[0].picture().content, ContentHash::of(&picture));
    assert!(desk.budget.share().unwrap().cover(390 * 1024).is_ok());
}
