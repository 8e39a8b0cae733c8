//! One answer of the gateway, read whole, with what tests ask of it.

use bytes::Bytes;
use evolink_gateway::image::Pixels;
use http::HeaderMap;
use image::ImageFormat;
use serde_json::Value;

/// Status, head and whole body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A picture as its bytes say it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) format: ImageFormat,
    pub(crate) size: (u32, u32),
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.expect("the answer broke off");
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// A string below `error`, empty when it is null.
    #[track_caller]
    pub(crate) fn error(&self, key: &str) -> String {
        let json = self.json();
        let error = json.get("error").unwrap_or_else(|| panic!("no error: {} {}", self.status, self.text()));
        let value = error.get(key).unwrap_or_else(|| panic!("no error.{key}: {}", self.text()));
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Asserts a whole error answer: canonical object, steering headers, request id.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, kind: &str, code: &str, repeat: bool) -> &Self {
        let told = (self.status, self.error("type"), self.error("code"), self.header("x-should-retry"));
        let wanted = if repeat { "true" } else { "false" };
        assert_eq!(told, (status, kind.to_owned(), code.to_owned(), Some(wanted)), "{}", self.text());
        assert!(!self.error("message").is_empty(), "{}", self.text());
        let keys = self.json()["error"].as_object().unwrap().len();
        assert_eq!(keys, 4, "the canonical error object has four keys: {}", self.text());
        let asked = self.header("retry-after").map(|text| text.parse::<u64>().unwrap());
        assert_eq!(asked.is_some(), repeat, "Retry-After where a repetition makes sense: {:?}", self.headers);
        assert!(asked.is_none_or(|seconds| (1..=60).contains(&seconds)), "{asked:?}");
        assert!(self.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{:?}", self.headers);
        assert_eq!(self.header("content-type"), Some("application/json"));
        self
    }

    #[track_caller]
    pub(crate) fn is_ok(&self) -> &Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// The pictures of a 200, decoded whole.
    #[track_caller]
    pub(crate) fn pictures(&self) -> Vec<Shown> {
        self.is_ok();
        let json = self.json();
        let data = json["data"].as_array().unwrap_or_else(|| panic!("no data: {}", self.text()));
        data.iter()
            .map(|item| shown(item["b64_json"].as_str().unwrap_or_else(|| panic!("no b64_json: {item}"))))
            .collect()
    }

    /// The only picture.
    #[track_caller]
    pub(crate) fn picture(&self) -> Shown {
        let mut pictures = self.pictures();
        assert_eq!(pictures.len(), 1, "one picture");
        pictures.remove(0)
    }

    /// The size as the answer tells it.
    pub(crate) fn told_size(&self) -> Pixels {
        let json = self.json();
        let size = json["size"].as_str().unwrap_or_else(|| panic!("no size: {json}"));
        let (width, height) = size.split_once('x').unwrap();
        Pixels::new(width.parse().unwrap(), height.parse().unwrap())
    }
}

#[track_caller]
pub(crate) fn shown(base64: &str) -> Shown {
    decoded(base64_simd::STANDARD.decode_to_vec(base64).expect("not base64"))
}

#[track_caller]
pub(crate) fn decoded(bytes: Vec<u8>) -> Shown {
    let format = image::guess_format(&bytes).expect("no known picture format");
    let picture = image::load_from_memory_with_format(&bytes, format).expect("the picture does not decode");
    Shown { format, size: (picture.width(), picture.height()), bytes }
}
