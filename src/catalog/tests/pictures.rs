//! Reference pictures and masks: what each model takes of them.

use super::*;
use crate::image::{ContentHash, InputNames, InputPicture};

fn picture(width: u32, height: u32) -> InputPicture {
    InputPicture {
        content: ContentHash::of(b"a picture"),
        bytes: 1000,
        format: Format::Png,
        pixels: Pixels::new(width, height),
        alpha: false,
    }
}

fn with_alpha(width: u32, height: u32) -> InputPicture {
    InputPicture { alpha: true, ..picture(width, height) }
}

fn edit(model: &str, pictures: &[InputPicture], mask: Option<InputPicture>) -> ImageRequest {
    ImageRequest {
        model: Some(model.into()),
        references: pictures.iter().copied().map(Reference::Picture).collect(),
        mask: mask.map(Reference::Picture),
        names: InputNames::EDIT_FORM,
        ..request()
    }
}

/// Status, code, parameter and message of a refusal.
fn told(request: ImageRequest) -> (u16, String, String, String) {
    let fault = plan(request).expect_err("must be refused");
    let param = fault.param().unwrap_or_default().to_owned();
    (fault.status(), fault.code().to_owned(), param, fault.message().to_owned())
}

#[test]
fn a_picture_outside_the_models_limits_is_refused_by_what_is_wrong_with_it() {
    let heavy = |bytes| InputPicture { bytes, ..picture(1000, 1000) };
    let mib = 1024 * 1024;
    let table = [
        ("gpt-image-2", heavy(50 * mib + 1), 413, "request_too_large"),
        ("nano-banana-2-beta", heavy(10 * mib + 1), 413, "request_too_large"),
        ("gemini-nano-banana-2.1", heavy(20 * mib + 1), 413, "request_too_large"),
        ("gpt-image-2", picture(23_171, 10), 400, "invalid_image"),
        ("gpt-image-2", picture(23_170, 7_724), 400, "invalid_image"),
        ("qwen-image-edit", picture(383, 1000), 400, "invalid_image"),
        ("qwen-image-3.0", picture(1000, 3073), 400, "invalid_image"),
        ("wan2.5-image-to-image", picture(1000, 5001), 400, "invalid_image"),
        ("wan2.5-image-to-image", with_alpha(1000, 1000), 400, "invalid_image"),
        ("doubao-seedream-4.5", picture(14, 100), 400, "invalid_image"),
        ("doubao-seedream-4.5", picture(100, 1601), 400, "invalid_image"),
        ("doubao-seedream-5.0-pro", picture(6001, 6000), 400, "invalid_image"),
    ];
    for (model, picture, status, code) in table {
        let (got, got_code, param, message) = told(edit(model, &[picture], None));
        assert_eq!((got, got_code.as_str(), param.as_str()), (status, code, "image"), "{model}: {message}");
        assert!(message.contains("Picture 1 of 'image'") && message.contains(model), "{message}");
    }
    let fine = [
        ("gpt-image-2", heavy(50 * mib)),
        ("gpt-image-2", picture(23_170, 7_723)),
        ("qwen-image-edit", picture(384, 3072)),
        ("wan2.5-image-to-image", picture(5000, 384)),
        ("doubao-seedream-4.5", with_alpha(6000, 6000)),
    ];
    for (model, picture) in fine {
        plan(edit(model, &[picture], None)).unwrap_or_else(|fault| panic!("{model}: {fault}"));
    }
}

#[test]
fn the_number_of_pictures_is_each_models_own() {
    let most = [
        ("gpt-image-2", 16),
        ("gpt-image-2-beta", 16),
        ("gpt-4o-image", 5),
        ("nano-banana-pro-beta", 10),
        ("nano-banana-beta", 5),
        ("doubao-seedream-4.0", 14),
        ("doubao-seedream-5.0-flash", 10),
        ("qwen-image-3.0-pro", 3),
        ("wan2.5-image-to-image", 2),
        ("grok-imagine-image-2.0", 3),
    ];
    for (model, max) in most {
        let pictures = vec![picture(1000, 1000); max + 1];
        assert!(plan(edit(model, &pictures[..max], None)).is_ok(), "{model}");
        let (status, code, param, message) = told(edit(model, &pictures, None));
        assert_eq!((status, code.as_str(), param.as_str()), (400, "invalid_value", "image"));
        assert!(message.contains(&format!("at most {max}")), "{message}");
    }
}

#[test]
fn models_without_image_input_name_some_that_have_it() {
    for model in ["z-image-turbo", "krea-2-turbo", "wan2.5-text-to-image"] {
        let (status, code, param, message) = told(edit(model, &[picture(1000, 1000)], None));
        assert_eq!((status, code.as_str(), param.as_str()), (400, "invalid_value", "image"));
        assert!(message.starts_with(model) && message.contains("'gpt-image-2'"), "{message}");
    }
}

#[test]
fn models_that_only_edit_ask_for_a_picture_under_the_name_the_client_uses() {
    for (names, name) in [(InputNames::GENERATION, "image_urls"), (InputNames::EDIT_JSON, "images")] {
        for model in ["qwen-image-edit", "qwen-image-edit-plus", "wan2.5-image-to-image"] {
            let request = ImageRequest { names, ..edit(model, &[], None) };
            let (status, code, param, message) = told(request);
            assert_eq!((status, code.as_str(), param.as_str()), (400, "missing_required_parameter", name));
            assert!(message.contains(model), "{message}");
        }
    }
}

#[test]
fn a_mask_must_be_a_png_with_alpha_of_the_first_pictures_size() {
    let pictures = [picture(800, 600), picture(100, 100)];
    let masked = |mask| edit("gpt-image-2", &pictures, Some(mask));
    assert!(plan(masked(with_alpha(800, 600))).unwrap().task.mask.is_some());
    let jpeg = InputPicture { format: Format::Jpeg, ..with_alpha(800, 600) };
    let wrong = [
        (jpeg, "is jpeg"),
        (picture(800, 600), "has no alpha channel"),
        (with_alpha(100, 100), "is 100x100, and the first picture is 800x600"),
    ];
    for (mask, problem) in wrong {
        let (status, code, param, message) = told(masked(mask));
        assert_eq!((status, code.as_str(), param.as_str()), (400, "invalid_image", "mask"));
        assert!(message.contains(problem) && message.contains("PNG with an alpha channel"), "{message}");
    }
    // what is behind a link is upstream's to judge
    let first = vec![link("https://example.com/a.png")];
    assert!(plan(ImageRequest { references: first, ..masked(with_alpha(1, 1)) }).is_ok());
    let mask = Some(link("https://example.com/m.png"));
    assert!(plan(ImageRequest { mask, ..masked(with_alpha(1, 1)) }).is_ok());
}

#[test]
fn a_small_mask_goes_with_a_single_picture_for_gpt_4o_image() {
    let one = [picture(800, 600)];
    let mask = with_alpha(800, 600);
    assert!(plan(edit("gpt-4o-image", &one, Some(mask))).is_ok());
    let (status, _, param, message) = told(edit("gpt-4o-image", &[one[0]; 2], Some(mask)));
    assert_eq!((status, param.as_str()), (400, "mask"));
    assert!(message.contains("one picture only"), "{message}");
    let heavy = InputPicture { bytes: 4 * 1024 * 1024 + 1, ..mask };
    let (status, code, param, _) = told(edit("gpt-4o-image", &one, Some(heavy)));
    assert_eq!((status, code.as_str(), param.as_str()), (413, "request_too_large", "mask"));
}

#[test]
fn a_mask_that_cannot_work_is_refused_in_an_edit_and_ignored_in_a_generation() {
    let mask = Some(with_alpha(800, 600));
    let (status, _, param, message) = told(edit("doubao-seedream-4.5", &[picture(800, 600)], mask));
    assert_eq!((status, param.as_str()), (400, "mask"));
    assert!(message.contains("takes no mask") && message.contains("'gpt-image-2'"), "{message}");
    assert_eq!(told(edit("gpt-image-2", &[], mask)).2, "mask");
    for model in ["doubao-seedream-4.5", "gpt-image-2-beta"] {
        let request = ImageRequest {
            references: vec![link("https://example.com/a.png")],
            mask: Some(link("https://example.com/m.png")),
            names: InputNames::GENERATION,
            ..edit(model, &[], None)
        };
        let plan = plan(request).unwrap();
        assert_eq!((plan.task.mask, plan.ignored), (None, vec!["mask_url".to_owned()]));
    }
}

#[test]
fn seedream_keeps_the_transparency_of_a_single_png() {
    let transparent = |pictures: &[InputPicture]| ImageRequest {
        background: Some(Background::Transparent),
        ..edit("doubao-seedream-5.0-pro", pictures, None)
    };
    let made = plan(transparent(&[with_alpha(800, 600)])).unwrap();
    assert_eq!((sent(&made, "background"), sent(&made, "output_format")), (Some("transparent"), Some("png")));
    for pictures in [vec![], vec![with_alpha(800, 600); 2]] {
        let made = plan(transparent(&pictures)).unwrap();
        assert_eq!((made.background, made.ignored), (Background::Opaque, vec!["background".to_owned()]));
        assert_eq!(made.task.parameters.get("background"), None);
    }
    let (status, code, param, _) = told(transparent(&[picture(800, 600)]));
    assert_eq!((status, code.as_str(), param.as_str()), (400, "invalid_value", "background"));
    let jpeg = ImageRequest { format: Some(Format::Jpeg), ..transparent(&[with_alpha(8, 600)]) };
    assert_eq!(plan(jpeg.clone()).unwrap_err().param(), Some("image"));
    let jpeg = ImageRequest { references: vec![link("https://example.com/a.png")], ..jpeg };
    assert_eq!(plan(jpeg).unwrap_err().param(), Some("output_format"));
}
