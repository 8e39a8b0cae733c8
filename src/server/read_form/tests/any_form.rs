//! Whatever a form is made of and however it is written and cut, the same form is read.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A part as it is meant.
#[derive(Debug, Clone)]
enum Meant {
    Text(&'static str, String),
    Image(&'static str, u8, usize),
    Mask(u8),
    Nothing(Vec<u8>),
}

fn meant() -> impl Strategy<Value = Meant> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(prop::sample::select(b"\r\n-x= ".to_vec()), 0..60),
    ];
    let text = prop_oneof![".{0,40}", "[\r\n\\- x]{0,40}"];
    prop_oneof![
        4 => (prop::sample::select(vec!["prompt", "n", "size", "user", "model_params[a]", "opts[]"]), text)
            .prop_map(|(name, text)| Meant::Text(name, text)),
        3 => (prop::sample::select(vec!["image", "image[]", "images", "images[]"]), any::<u8>(), 70..400_usize)
            .prop_map(|(name, mark, length)| Meant::Image(name, mark, length)),
        1 => any::<u8>().prop_map(Meant::Mask),
        1 => content.prop_map(Meant::Nothing),
    ]
}

/// How it is written.
#[derive(Debug, Clone)]
struct Written {
    boundary: String,
    /// For each part in turn: letter case, order and spacing of its head.
    style: Vec<u8>,
    preamble: bool,
    cuts: Vec<Index>,
}

fn written() -> impl Strategy<Value = Written> {
    let boundary = "[-0-9a-zA-Z'()+_,./:=?]{1,69}[0-9a-z]";
    let cuts = prop::collection::vec(any::<Index>(), 0..20);
    (boundary, prop::collection::vec(any::<u8>(), 1..8), any::<bool>(), cuts)
        .prop_map(|(boundary, style, preamble, cuts)| Written { boundary, style, preamble, cuts })
}

impl Meant {
    fn part(&self) -> (&str, Option<&'static str>, Vec<u8>) {
        match self {
            Self::Text(name, text) => (name, None, text.clone().into_bytes()),
            Self::Image(name, mark, length) => (name, Some("cat; name=\"x.png"), png(*mark, *length)),
            Self::Mask(mark) => ("mask", None, png(*mark, 100)),
            Self::Nothing(bytes) => ("logo", Some("logo"), bytes.clone()),
        }
    }
}

impl Written {
    fn head(style: u8, name: &str, file_name: Option<&str>) -> String {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\\\""));
        let name = if style & 1 == 0 { quote(name) } else { name.to_owned() };
        let key = if style & 2 == 0 { "name" } else { "Name" };
        let mut attributes = vec![format!("{key}={name}")];
        attributes.extend(file_name.map(|file| format!("filename={}", quote(file))));
        if style & 4 != 0 {
            attributes.reverse();
        }
        let between = if style & 8 == 0 { "; " } else { ";" };
        let disposition = if style & 16 == 0 { "Content-Disposition" } else { "content-DISPOSITION" };
        let mut lines = vec![format!("{disposition}: form-data; {}", attributes.join(between))];
        lines.push("Content-Type: image/gif".to_owned());
        lines.push("X-Other:1".to_owned());
        lines.rotate_left(usize::from(style >> 5) % 3);
        lines.join("\r\n") + "\r\n\r\n"
    }

    fn body(&self, parts: &[Meant]) -> Vec<u8> {
        let mut body = if self.preamble { b"before\r\n".to_vec() } else { Vec::new() };
        for (part, style) in parts.iter().zip(self.style.iter().cycle()) {
            let (name, file_name, content) = part.part();
            let padding = if style & 64 == 0 { "" } else { " \t" };
            body.extend(format!("--{}{padding}\r\n", self.boundary).bytes());
            body.extend(Self::head(*style, name, file_name).bytes());
            body.extend(content);
            body.extend(b"\r\n");
        }
        body.extend(format!("--{}--\r\n", self.boundary).bytes());
        body
    }

    fn cut(&self, body: &[u8]) -> Body {
        let mut at: Vec<_> = self.cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        at.extend([0, body.len()]);
        at.sort_unstable();
        let pieces: Vec<_> =
            at.windows(2).map(|ends| Ok::<_, std::io::Error>(body[ends[0]..ends[1]].to_vec())).collect();
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    /// Whether the boundary stands where it should not: clients see to that.
    fn collides(&self, parts: &[Meant]) -> bool {
        let mark = format!("--{}", self.boundary).into_bytes();
        let stands = |text: &[u8]| text.windows(mark.len()).any(|window| window == mark);
        parts.iter().any(|part| stands(&part.part().2))
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_form_that_was_written_is_read(parts in prop::collection::vec(meant(), 0..10), how in written()) {
        prop_assume!(!how.collides(&parts));
        prop_assume!(parts.iter().filter(|part| matches!(part, Meant::Mask(_))).count() < 2);
        let content_type = format!("multipart/form-data; boundary=\"{}\"", how.boundary);
        let body = how.cut(&how.body(&parts));
        let form = block_on(async { Desk::new().read_as(&content_type, body).await }).unwrap();

        let mut fields = Vec::new();
        let (mut images, mut mask, mut ignored) = (Vec::new(), None, Vec::new());
        for part in &parts {
            let content = ContentHash::of(&part.part().2);
            match part {
                Meant::Text(name, text) => fields.push(((*name).to_owned(), text.clone())),
                Meant::Image(..) => images.push(content),
                Meant::Mask(_) => mask = Some(content),
                Meant::Nothing(_) => ignored = vec!["logo".to_owned()],
            }
        }
        prop_assert_eq!(&form.fields, &fields);
        prop_assert_eq!(contents(&form.images), images);
        prop_assert_eq!(form.mask.as_ref().map(|mask| mask.picture().content), mask);
        prop_assert_eq!(&form.ignored, &ignored);
    }

    #[test]
    fn any_bytes_are_a_form_or_a_refusal(
        bytes in prop::collection::vec(
            prop_oneof![
                any::<u8>().prop_map(|byte| vec![byte]),
                prop::sample::select(vec![
                    &b"--x"[..], b"--", b"\r\n", b"\r\n\r\n", b"Content-Disposition: form-data; name=image", b"\r\n--x\r\n",
                    b"content-disposition:form-data;name=n", b"\"", b"; filename=a",
                ]).prop_map(<[u8]>::to_vec),
            ],
            0..40,
        ),
        how in written(),
    ) {
        let body = how.cut(&bytes.concat());
        if let Err(fault) = block_on(async { Desk::new().read(body).await }) {
            prop_assert!((400..500).contains(&fault.status()), "{}", fault);
        }
    }
}
