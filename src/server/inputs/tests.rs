use super::*;
use crate::image::{ContentHash, Format, Pixels};

fn png(width: u8) -> Bytes {
    let mut png =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\x03\x08\x06\0\0\0CRC4\0\0\0\0IEND\xaeB`\x82".to_vec();
    png[19] = width;
    png.into()
}

fn link(at: u8) -> GivenImage {
    GivenImage::Link(format!("https://example.com/{at}"))
}

async fn gathered(images: Vec<GivenImage>, mask: Option<GivenImage>) -> Result<Inputs, Fault> {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path());
    gather(images, mask, InputNames::EDIT_JSON, &BodyBudget::new(64 * 1024), &spool).await
}

#[tokio::test]
async fn links_stay_links_and_bytes_become_pictures_each_kept_once() {
    let images = vec![link(1), GivenImage::Data(png(4)), GivenImage::Data(png(5)), GivenImage::Data(png(4))];
    let inputs = gathered(images, Some(GivenImage::Data(png(5)))).await.unwrap();
    let [first, four, five, again] = inputs.references.as_slice() else { panic!("{inputs:?}") };
    assert_eq!(first, &Reference::Link("https://example.com/1".to_owned()));
    let picture = four.picture().unwrap();
    assert_eq!(
        (picture.content, picture.format, picture.alpha),
        (ContentHash::of(&png(4)), Format::Png, true)
    );
    assert_eq!(five.picture().unwrap().pixels, Pixels::new(5, 3));
    assert_eq!((again, inputs.mask.as_ref()), (four, Some(five)));
    let kept: Vec<_> = inputs.files.iter().map(|file| file.picture().content).collect();
    assert_eq!(kept, [ContentHash::of(&png(4)), ContentHash::of(&png(5))]);
}

#[tokio::test]
async fn an_unusable_picture_is_named_by_its_place_and_the_clients_parameter() {
    let text = || GivenImage::Data(Bytes::from_static(b"hello"));
    let images = vec![link(1), link(2), text(), link(4), link(5)];
    for (given, param, words) in [
        (
            (images, None),
            "images",
            "Picture 3 of 5 in 'images' cannot be used: it looks like a text; send PNG, JPEG or WebP.",
        ),
        (
            (vec![text()], None),
            "images",
            "The picture in 'images' cannot be used: it looks like a text; send PNG, JPEG or WebP.",
        ),
        (
            (vec![link(1)], Some(GivenImage::Data(Bytes::new()))),
            "mask",
            "The mask cannot be used: it is empty.",
        ),
    ] {
        let fault = gathered(given.0, given.1).await.unwrap_err();
        assert_eq!((fault.status(), fault.code(), fault.param()), (400, "invalid_image", Some(param)));
        assert_eq!(fault.message(), words);
    }
}

#[tokio::test]
async fn small_pictures_take_from_the_budget_while_they_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, budget) = (Spool::new(directory.path()), BodyBudget::new(1024));
    let one =
        async || gather(vec![GivenImage::Data(png(4))], None, InputNames::EDIT_JSON, &budget, &spool).await;
    let first = one().await.unwrap();
    assert_eq!(one().await.unwrap_err().kind(), FaultKind::Overloaded);
    drop(first);
    assert!(one().await.is_ok());
}

#[tokio::test]
async fn large_pictures_take_from_the_budget_only_until_they_are_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, budget) = (Spool::new(directory.path()), BodyBudget::new(600 * 1024));
    let large = |bytes: usize| {
        let (head, end) = (png(4).slice(..33), png(4).slice(33..));
        let text = [b"tEXt".as_slice(), &vec![b'x'; bytes]].concat();
        let chunk = [&u32::try_from(bytes).unwrap().to_be_bytes(), text.as_slice(), b"CRC4"].concat();
        GivenImage::Data([&head, chunk.as_slice(), &end].concat().into())
    };
    let gather = async |images| gather(images, None, InputNames::EDIT_JSON, &budget, &spool).await;
    let kept = gather(vec![large(500 * 1024)]).await.unwrap();
    assert!(budget.share().unwrap().cover(600 * 1024).is_ok(), "all is given back while the file is kept");
    let two = vec![large(500 * 1024), large(500 * 1024)];
    assert_eq!(gather(two).await.unwrap_err().kind(), FaultKind::Overloaded);
    assert!(gather(vec![large(500 * 1024)]).await.is_ok());
    drop(kept);
}

#[tokio::test]
async fn a_form_may_add_links_to_its_files() {
    let files = |given: Vec<GivenImage>| async { gathered(given, None).await.unwrap().files };
    let images = files(vec![GivenImage::Data(png(4)), GivenImage::Data(png(5))]).await;
    let mask = files(vec![GivenImage::Data(png(4))]).await.pop();
    let form = Inputs::of_form(images, mask);
    assert_eq!((form.references.len(), form.files.len(), form.mask.is_some()), (2, 2, true));
    let joined = form
        .join(gathered(vec![link(9), GivenImage::Data(png(5))], None).await.unwrap(), InputNames::EDIT_FORM);
    let joined = joined.unwrap();
    assert_eq!((joined.references.len(), joined.files.len()), (4, 2));
    let fault =
        joined.join(gathered(vec![], Some(link(1))).await.unwrap(), InputNames::EDIT_FORM).unwrap_err();
    assert_eq!((fault.status(), fault.param()), (400, Some("mask")));
}

#[test]
fn an_edit_needs_a_picture() {
    let fault = Inputs::default().require_picture(InputNames::EDIT_FORM).unwrap_err();
    assert_eq!((fault.code(), fault.param()), ("missing_required_parameter", Some("image")));
    let inputs = Inputs { references: vec![Reference::Link("https://a/b".to_owned())], ..Inputs::default() };
    assert!(inputs.require_picture(InputNames::EDIT_FORM).is_ok());
}
