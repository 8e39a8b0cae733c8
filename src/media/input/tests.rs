use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::*;
use crate::image::{ContentHash, Format, Pixels};
use crate::media::picture::samples;

/// A directory that goes when the test ends, and a spool in it that is not there yet.
fn spool() -> (tempfile::TempDir, Spool) {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path().join("state/spool"));
    (directory, spool)
}

async fn written(spool: &Spool, bytes: &[u8], step: usize) -> Result<InputFile, InputError> {
    let mut writer = InputWriter::new(spool.clone());
    for piece in bytes.chunks(step) {
        writer.push(piece).await?;
        assert!(writer.held() <= u64::try_from(IN_MEMORY_BYTES_MAX).unwrap());
    }
    assert_eq!(writer.length(), u64::try_from(bytes.len()).unwrap());
    writer.finish().await
}

async fn read_back(file: &InputFile) -> Vec<u8> {
    let pieces: Vec<Bytes> = file.stream().try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= 64 * 1024));
    pieces.concat()
}

/// A PNG of `length` bytes, most of them in a chunk that no reader minds.
fn long_png(length: usize) -> Vec<u8> {
    let png = samples::encoded(Format::Png, 31, 17);
    let data = length - png.len() - 12;
    let mut long = png[..33].to_vec();
    long.extend(u32::try_from(data).unwrap().to_be_bytes());
    long.extend(b"ruBB");
    long.extend((0..data).map(|at| u8::try_from(at % 251).unwrap()));
    long.extend(*b"CRC4");
    long.extend(&png[33..]);
    assert_eq!(long.len(), length);
    long
}

fn files_in(path: &Path) -> usize {
    std::fs::read_dir(path).map_or(0, Iterator::count)
}

#[tokio::test]
async fn what_is_known_of_a_picture_does_not_depend_on_its_pieces_or_where_it_is_kept() {
    let (directory, spool) = spool();
    for format in Format::ALL {
        let small = samples::encoded(format, 31, 17);
        let large = samples::encoded(format, 700, 501);
        assert!(
            format == Format::Jpeg || large.len() > IN_MEMORY_BYTES_MAX,
            "{format:?} is meant to be spooled"
        );
        for (bytes, pixels) in [(small, Pixels::new(31, 17)), (large, Pixels::new(700, 501))] {
            for step in [997, 64 * 1024, bytes.len()] {
                let file = written(&spool, &bytes, step).await.unwrap();
                let picture = InputPicture {
                    content: ContentHash::of(&bytes),
                    bytes: u64::try_from(bytes.len()).unwrap(),
                    format,
                    pixels,
                    alpha: false,
                };
                assert_eq!(file.picture(), &picture);
                assert_eq!(read_back(&file).await, bytes);
                assert_eq!(read_back(&file).await, bytes, "a second time");
                assert_eq!(matches!(file.kept, Kept::Disk(_)), bytes.len() > IN_MEMORY_BYTES_MAX);
            }
        }
    }
    assert_eq!(files_in(&directory.path().join("state/spool")), 0, "the files have no names");
}

#[tokio::test]
async fn the_directory_is_made_when_first_needed_and_again_when_it_was_removed() {
    let (directory, spool) = spool();
    let state = directory.path().join("state");
    written(&spool, &long_png(10_000), 5_000).await.unwrap();
    assert!(!state.exists(), "a small picture needs no directory");
    let file = written(&spool, &long_png(300_000), 5_000).await.unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    assert_eq!(read_back(&file).await, long_png(300_000));
    written(&spool, &long_png(300_000), 5_000).await.unwrap();
    assert!(state.join("spool").is_dir());
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_the_operators_matter() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let spool = Spool::new(file.path().join("spool"));
    let error = written(&spool, &long_png(300_000), 5_000).await.unwrap_err();
    let InputError::Spool(error @ SpoolError::Directory { .. }) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("spool"), "{error}");
    assert!(written(&spool, &long_png(10_000), 5_000).await.is_ok(), "small pictures still pass");
}

#[tokio::test]
async fn files_on_disk_are_bounded_all_together_and_give_their_room_back() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::bounded(directory.path(), 1024 * 1024, 16);
    let first = written(&spool, &long_png(700_000), 50_000).await.unwrap();
    let full = written(&spool, &long_png(400_000), 50_000).await.unwrap_err();
    assert!(matches!(full, InputError::Spool(SpoolError::Full)), "{full:?}");
    let clone = first.clone();
    drop(first);
    assert!(written(&spool, &long_png(400_000), 50_000).await.is_err(), "a clone holds the file");
    drop(clone);
    written(&spool, &long_png(400_000), 50_000).await.unwrap();
    assert_eq!(spool.room.available_permits(), 16, "all given back, of the refused one too");
}

#[tokio::test]
async fn files_on_disk_are_bounded_in_number_too() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::bounded(directory.path(), 4 * 1024 * 1024, 2);
    let bytes = long_png(300_000);
    let kept =
        [written(&spool, &bytes, 50_000).await.unwrap(), written(&spool, &bytes, 50_000).await.unwrap()];
    assert!(written(&spool, &bytes, 50_000).await.is_err());
    drop(kept);
    assert!(written(&spool, &bytes, 50_000).await.is_ok());
}

#[tokio::test]
async fn two_streams_of_one_spooled_file_do_not_disturb_each_other() {
    let (_directory, spool) = spool();
    let bytes = long_png(1_000_003);
    let file = written(&spool, &bytes, 100_000).await.unwrap();
    let (mut one, mut other) = (Box::pin(file.stream()), Box::pin(file.stream()));
    drop(file);
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    // one runs two pieces ahead for each of the other
    for turn in 0.. {
        let (stream, read) =
            if turn % 3 == 2 { (&mut other, &mut of_other) } else { (&mut one, &mut of_one) };
        match stream.next().await {
            Some(piece) => read.extend(piece.unwrap()),
            None if of_one.len() == bytes.len() && of_other.len() == bytes.len() => break,
            None => {}
        }
    }
    assert!(of_one == bytes && of_other == bytes);
}

#[tokio::test]
async fn each_kind_of_unusable_bytes_has_its_words() {
    let (_directory, spool) = spool();
    let png = samples::encoded(Format::Png, 31, 17);
    let mut headless = png.clone();
    headless[12] = b'X';
    let mut flat = png.clone();
    flat[16..20].fill(0);
    let long = long_png(600_000);
    let cases: [(&[u8], &str); 8] = [
        (b"https://example.com/cat.png", "it is a link or a data URL, not the bytes of a picture"),
        (b"", "it is empty"),
        (b"GIF89a\x01\0\x01\0", "it looks like a GIF; send PNG, JPEG or WebP"),
        (b"\x01\x02\x03\x04", "it is no picture; send PNG, JPEG or WebP"),
        (&png[..png.len() - 20], "its end is missing"),
        (&headless, "its header is damaged or tells a size of zero"),
        (&flat, "its header is damaged or tells a size of zero"),
        (&long[..500_000], "its end is missing"),
    ];
    for (bytes, words) in cases {
        assert_eq!(written(&spool, bytes, 70_000).await.unwrap_err().to_string(), words);
    }
}

#[tokio::test]
async fn what_a_phone_appends_to_its_pictures_is_not_minded() {
    let (_directory, spool) = spool();
    let appended = b"ftypmp42".repeat(50_000);
    for picture in [samples::encoded(Format::Jpeg, 31, 17), long_png(600_000)] {
        let bytes = [picture, appended.clone()].concat();
        let file = written(&spool, &bytes, 70_000).await.unwrap();
        assert_eq!(file.picture().content, ContentHash::of(&bytes));
    }
}

#[tokio::test]
async fn a_large_file_of_another_kind_is_refused_before_it_reaches_the_disk() {
    let (directory, spool) = spool();
    let mut writer = InputWriter::new(spool);
    let piece = vec![b'x'; 64 * 1024];
    let mut pushed = 0;
    let refused = loop {
        match writer.push(&piece).await {
            Ok(()) => pushed += 64 * 1024,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.to_string(), "it looks like a text; send PNG, JPEG or WebP");
    assert_eq!(pushed, IN_MEMORY_BYTES_MAX);
    assert!(!directory.path().join("state").exists());
}

#[tokio::test]
async fn a_picture_that_would_unpack_to_gigabytes_is_known_by_its_header() {
    let (_directory, spool) = spool();
    let mut bomb = samples::encoded(Format::Png, 4, 4);
    bomb[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let file = written(&spool, &bomb, 10).await.unwrap();
    assert_eq!(file.picture().pixels, Pixels::new(50_000, 50_000));
}

#[tokio::test]
async fn headers_far_into_a_spooled_file_are_found() {
    let (_directory, spool) = spool();
    let plain = samples::encoded(Format::Jpeg, 64, 48);
    let mut jpeg = plain[..2].to_vec();
    for _ in 0..20 {
        jpeg.extend([0xff, 0xe1, 0xff, 0xff]);
        jpeg.extend(std::iter::repeat_n(0xc0, 0xfffd));
    }
    jpeg.extend(&plain[2..]);
    assert_eq!(written(&spool, &jpeg, 99_999).await.unwrap().picture().pixels, Pixels::new(64, 48));

    let mut keyed = long_png(500_000);
    let data = keyed.windows(4).rposition(|window| window == b"IDAT").unwrap() - 4;
    keyed.splice(data..data, *b"\0\0\0\x06tRNS\0\0\0\0\0\0CRC4");
    assert!(written(&spool, &keyed, 99_999).await.unwrap().picture().alpha);
    assert!(!written(&spool, &long_png(500_000), 99_999).await.unwrap().picture().alpha);
}

#[tokio::test]
async fn a_file_of_nothing_but_headers_is_given_up_after_a_bounded_walk() {
    let (_directory, spool) = spool();
    let mut filled = b"\xff\xd8".to_vec();
    filled.extend(std::iter::repeat_n(0xff, 2_000_000));
    filled.push(0xd9);
    let refused = written(&spool, &filled, 99_999).await.unwrap_err();
    assert!(matches!(refused, InputError::NoSize), "{refused:?}");
}

#[tokio::test]
async fn a_guard_lives_as_long_as_any_byte_in_memory() {
    let (_directory, spool) = spool();
    let guard = Arc::new(());
    let small = written(&spool, &long_png(100_000), 50_000).await.unwrap().guarded(Arc::clone(&guard));
    let piece = Box::pin(small.stream()).next().await.unwrap().unwrap();
    drop(small);
    assert_eq!(Arc::strong_count(&guard), 2, "a piece holds the bytes");
    drop(piece);
    assert_eq!(Arc::strong_count(&guard), 1);
    let large = written(&spool, &long_png(300_000), 50_000).await.unwrap().guarded(Arc::clone(&guard));
    assert_eq!(Arc::strong_count(&guard), 1, "nothing is in memory");
    drop(large);
}
