use proptest::prelude::*;

use super::*;
use crate::image::Compression;

const NOW: i64 = 1_790_000_000;
const TTL: Duration = Duration::from_hours(24);

fn links() -> Links {
    Links::new(&SecretString::from("a secret"), TTL)
}

fn linked(stored: Format, form: Form) -> LinkedPicture {
    LinkedPicture { content: ContentHash::of(b"a fox"), stored, form }
}

fn plain(format: Format) -> Form {
    Form { format, compression: None, pixels: None }
}

fn thumbnail() -> LinkedPicture {
    let form =
        Form { format: Format::Webp, compression: Compression::new(80), pixels: Some(Pixels::new(256, 256)) };
    linked(Format::Png, form)
}

/// File name and query, as the server has them.
fn taken_apart(link: &str) -> (&str, &str) {
    link.strip_prefix("/images/").unwrap().split_once('?').unwrap()
}

fn checked(link: &str, now: i64) -> Result<OpenLink, LinkError> {
    let (file, query) = taken_apart(link);
    links().check(file, query, now)
}

#[test]
fn a_link_tells_what_it_leads_to_and_until_when() {
    let link = links().sign(&thumbnail(), NOW);
    let (unsigned, signature) = link.split_once("&signature=").unwrap();
    let content = ContentHash::of(b"a fox");
    let expected =
        format!("/images/{content}.webp?from=png&compression=80&size=256x256&expires={}", NOW + 86_400);
    assert_eq!((unsigned, signature.len()), (expected.as_str(), 43));
    let link = links().sign(&linked(Format::Png, plain(Format::Png)), NOW);
    assert!(link.starts_with(&format!("/images/{content}.png?expires=1790086400&signature=")), "{link}");
}

#[test]
fn a_link_works_for_its_time_and_not_a_second_longer() {
    let link = links().sign(&thumbnail(), NOW);
    let open = |left| Ok(OpenLink { picture: thumbnail(), left: Duration::from_secs(left) });
    assert_eq!(checked(&link, NOW), open(86_400));
    assert_eq!(checked(&link, NOW + 86_399), open(1));
    assert_eq!(checked(&link, NOW + 86_400), Err(LinkError::Expired));
    assert_eq!(checked(&link, i64::MAX), Err(LinkError::Expired));
}

#[test]
fn a_changed_link_that_has_expired_is_no_expired_link() {
    let link = links().sign(&thumbnail(), NOW).replace("size=256x256", "size=512x512");
    assert_eq!(checked(&link, NOW + 90_000), Err(LinkError::Forged));
}

#[test]
fn another_secret_signs_other_links() {
    let other = Links::new(&SecretString::from("another secret"), TTL);
    let link = other.sign(&thumbnail(), NOW);
    assert_eq!(checked(&link, NOW), Err(LinkError::Forged));
    assert!(!format!("{other:?}").contains("another"));
}

#[test]
fn changing_any_letter_breaks_a_link() {
    let link = links().sign(&thumbnail(), NOW);
    for (at, letter) in link.char_indices().skip("/images/".len()) {
        let others = ['0', '1', 'a', 'B', '.', '&', '=', '-', '%', 'é'];
        for other in others.into_iter().filter(|other| *other != letter) {
            let mut changed = link.clone();
            changed.replace_range(at..=at, &other.to_string());
            let Some((file, query)) = changed.strip_prefix("/images/").unwrap().split_once('?') else {
                continue;
            };
            let refused = links().check(file, query, NOW).unwrap_err();
            assert!(matches!(refused, LinkError::Forged | LinkError::NoLink), "{changed}: {refused}");
        }
    }
}

#[test]
fn the_same_said_in_other_words_is_no_link() {
    let link = links().sign(&thumbnail(), NOW);
    let (file, query) = taken_apart(&link);
    let mut reordered: Vec<_> = query.split('&').collect();
    reordered.swap(0, 1);
    let changed = [
        (file.to_uppercase().replace("WEBP", "webp"), query.to_owned()),
        (file.to_owned(), reordered.join("&")),
        (file.to_owned(), format!("{query}&")),
        (file.to_owned(), format!("{query}&v=2")),
        (file.to_owned(), format!("size=256x256&{query}")),
        (file.to_owned(), query.replace("compression=80", "compression=080")),
        (file.to_owned(), query.replace("expires=", "expires=+")),
        (file.to_owned(), query.replace("256x256", "256X256")),
        (file.to_owned(), format!("{query}=")),
        (file.to_owned(), query.split("&signature").next().unwrap().to_owned()),
        (file.to_owned(), String::new()),
        (format!("{file}.webp"), query.to_owned()),
    ];
    for (file, query) in changed {
        let refused = links().check(&file, &query, NOW).unwrap_err();
        assert!(matches!(refused, LinkError::Forged | LinkError::NoLink), "{file}?{query}: {refused}");
    }
}

#[test]
fn a_picture_that_has_the_asked_form_is_linked_as_it_is_stored() {
    let stored = StoredPicture {
        content: ContentHash::of(b"a fox"),
        format: Format::Png,
        pixels: Pixels::new(1024, 1024),
        bytes: 9,
    };
    let of = |format, compression, pixels| LinkedPicture::of(&stored, Form { format, compression, pixels });
    let full = Compression::new(100);
    for as_stored in [
        of(Format::Png, None, None),
        of(Format::Png, Compression::new(7), None),
        of(Format::Png, full, Some(Pixels::new(1024, 1024))),
        of(Format::Png, None, Some(Pixels::new(2048, 2048))),
    ] {
        assert!(as_stored.is_as_stored(), "{as_stored:?}");
        assert_eq!(as_stored.pixels(stored.pixels), stored.pixels);
    }
    let small = of(Format::Png, None, Some(Pixels::new(512, 256)));
    assert!(!small.is_as_stored());
    assert_eq!(small.pixels(stored.pixels), Pixels::new(512, 256));
    assert!(!of(Format::Jpeg, full, None).is_as_stored());
}

fn any_picture() -> impl Strategy<Value = LinkedPicture> {
    let format = || prop::sample::select(Format::ALL.to_vec());
    let compression = prop::option::of((0_u64..=100).prop_map(|percent| Compression::new(percent).unwrap()));
    let pixels = (1_u32..9_999, 1_u32..9_999).prop_map(|(width, height)| Pixels::new(width, height));
    (any::<[u8; 32]>(), format(), format(), compression, prop::option::of(pixels)).prop_map(
        |(content, stored, format, compression, pixels)| LinkedPicture {
            content: ContentHash::from_bytes(content),
            stored,
            form: Form { format, compression, pixels },
        },
    )
}

proptest! {
    #[test]
    fn a_signed_link_leads_to_what_was_signed(picture in any_picture(), now in 0..i64::MAX / 2) {
        let link = links().sign(&picture, now);
        prop_assert_eq!(checked(&link, now), Ok(OpenLink { picture, left: TTL }));
    }

    #[test]
    fn no_two_pictures_have_the_same_link(one in any_picture(), other in any_picture(), now in 0..NOW) {
        prop_assume!(one != other);
        prop_assert_ne!(text::write(&one, now), text::write(&other, now));
    }

    #[test]
    fn nothing_is_taken_without_a_signature(
        file in any::<String>(), query in any::<String>(), now in any::<i64>(),
    ) {
        prop_assert!(links().check(&file, &query, now).is_err());
    }

    #[test]
    fn what_looks_like_a_link_is_none_without_the_secret(
        picture in any_picture(),
        expires in any::<i64>(),
        signature in "[A-Za-z0-9_-]{0,50}",
        now in any::<i64>(),
    ) {
        let link = format!("{}&signature={signature}", text::write(&picture, expires));
        prop_assert_eq!(checked(&link, now), Err(LinkError::Forged));
    }
}
