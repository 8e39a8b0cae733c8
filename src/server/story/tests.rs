use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::*;
use crate::catalog::Catalog;
use crate::image::Fingerprint;
use crate::openai::{GivenImage, parse_generation};

/// A guard whose names take so long to find and are public, but for those that begin with `private`.
fn guard(lookup: Duration) -> Guard {
    Guard::with_lookup(
        false,
        Arc::new(move |host: String| {
            Box::pin(async move {
                sleep(lookup).await;
                let ip =
                    if host.starts_with("private") { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(9, 9, 9, 9) };
                Ok(vec![SocketAddr::new(IpAddr::V4(ip), 0)])
            })
        }),
    )
}

fn task(hosts: &[&str], mask: Option<&str>) -> TaskSpec {
    let link = |host: &&str| Reference::Link(format!("https://{host}/a.png"));
    TaskSpec {
        model: "m".into(),
        prompt: "p".into(),
        parameters: Map::new(),
        references: hosts.iter().map(link).collect(),
        mask: mask.as_ref().map(link),
    }
}

#[tokio::test(start_paused = true)]
async fn links_are_looked_up_side_by_side() {
    let began = Instant::now();
    let hosts: Vec<_> = (0..16).map(|number| format!("host-{number}.example")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let guard = guard(Duration::from_secs(4));
    check_links(&guard, &task(&hosts, Some("mask.example")), InputNames::GENERATION).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn names_that_are_not_found_do_not_hold_the_request() {
    let began = Instant::now();
    let names = InputNames::EDIT_JSON;
    let fault =
        check_links(&guard(Duration::from_mins(10)), &task(&["a.example", "b.example"], None), names).await;
    assert_eq!(fault.unwrap_err().param(), Some("images"));
    assert!(began.elapsed() <= LINKS_TIME_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_clients_own_parameter() {
    let guard = guard(Duration::from_millis(1));
    let names = InputNames::GENERATION;
    let refused = async |hosts: &[&str], mask| {
        let fault = check_links(&guard, &task(hosts, mask), names).await.unwrap_err();
        assert_eq!(fault.status(), 400);
        fault.param().unwrap().to_owned()
    };
    assert_eq!(refused(&["a.example", "private.example"], None).await, "image_urls");
    assert_eq!(refused(&["a.example"], Some("private.example")).await, "mask_url");
}

/// A body, and what it means: two bodies mean the same exactly if these are equal.
type Meant = (Vec<(&'static str, Value)>, Vec<&'static str>);

/// One parameter: its spellings, each with its meaning. The first is its absence.
const SPELLINGS: &[(&str, &[(&str, &str)])] = &[
    ("prompt", &[("\"a fox\"", "fox"), ("\"a fox \"", "fox and blank"), ("\"an owl\"", "owl")]),
    (
        "model",
        &[
            ("", "2"),
            ("null", "2"),
            ("\"gpt-image-2\"", "2"),
            ("\"gpt-image-1\"", "2"),
            ("\"gpt-image-2.5-flare\"", "2.5"),
        ],
    ),
    ("n", &[("", "1"), ("null", "1"), ("1", "1"), ("2", "2")]),
    (
        "size",
        &[
            ("", "auto"),
            ("null", "auto"),
            ("\"auto\"", "auto"),
            ("\"1024x1024\"", "square"),
            ("\"1:1\"", "square"),
            ("\"1536x1024\"", "wide"),
        ],
    ),
    ("resolution", &[("", ""), ("null", ""), ("\"1K\"", "")]),
    (
        "quality",
        &[
            ("", "medium"),
            ("null", "medium"),
            ("\"auto\"", "medium"),
            ("\"standard\"", "medium"),
            ("\"medium\"", "medium"),
            ("\"hd\"", "high"),
            ("\"high\"", "high"),
            ("\"low\"", "low"),
        ],
    ),
    (
        "background",
        &[
            ("", "opaque"),
            ("null", "opaque"),
            ("\"auto\"", "opaque"),
            ("\"opaque\"", "opaque"),
            ("\"transparent\"", "clear"),
        ],
    ),
    ("seed", &[("", "none"), ("null", "none"), ("1", "1"), ("2", "2")]),
    (
        "image_urls",
        &[
            ("", "none"),
            ("null", "none"),
            ("[\"https://a.example/1.png\"]", "1"),
            ("[\"https://a.example/2.png\"]", "2"),
            ("[\"https://a.example/1.png\",\"https://a.example/2.png\"]", "1, 2"),
        ],
    ),
    ("output_format", &[("", ""), ("null", ""), ("\"png\"", ""), ("\"webp\"", "")]),
    ("output_compression", &[("", ""), ("50", "")]),
    ("response_format", &[("", ""), ("\"b64_json\"", ""), ("\"url\"", "")]),
    ("user", &[("", ""), ("\"somebody\"", "")]),
    ("moderation", &[("", ""), ("\"low\"", "")]),
];

fn meant() -> impl Strategy<Value = Meant> {
    let choices: Vec<_> = SPELLINGS.iter().map(|(_, spellings)| 0..spellings.len()).collect();
    // The first spelling is the likeliest, so that equal bodies come up often.
    let choices = choices.into_iter().map(|range| prop_oneof![3 => Just(0), 2 => range]).collect::<Vec<_>>();
    (choices, any::<prop::sample::Index>()).prop_map(|(choices, turn)| {
        let chosen =
            SPELLINGS.iter().zip(choices).map(|((name, spellings), choice)| (*name, spellings[choice]));
        let chosen: Vec<_> = chosen.collect();
        let given = chosen.iter().filter(|(_, (text, _))| !text.is_empty());
        let mut members: Vec<_> =
            given.map(|(name, (text, _))| (*name, serde_json::from_str(text).unwrap())).collect();
        let turn = turn.index(members.len());
        members.rotate_left(turn);
        (members, chosen.iter().map(|(_, (_, meaning))| *meaning).collect())
    })
}

fn fingerprint(members: &[(&str, Value)]) -> Fingerprint {
    let written: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let params = parse_generation(format!("{{{}}}", written.join(",")).as_bytes()).unwrap();
    let mut request = params.request;
    request.references.extend(params.images.into_iter().map(|image| match image {
        GivenImage::Link(link) => Reference::Link(link),
        GivenImage::Data(_) => unreachable!(),
    }));
    let cache = CacheUse::of(&http::HeaderMap::new(), true).unwrap().seeded(request.native.get(SEED));
    cache.fingerprint(&Catalog::default().plan(request, true).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn two_requests_are_one_result_exactly_when_they_mean_the_same((a, means_a) in meant(), (b, means_b) in meant()) {
        prop_assert_eq!(fingerprint(&a) == fingerprint(&b), means_a == means_b, "{:?} {:?}", a, b);
    }

    #[test]
    fn one_changed_parameter_changes_the_result_exactly_when_it_changes_the_meaning(
        (a, means) in meant(), at in 0..SPELLINGS.len(), to in any::<prop::sample::Index>(),
    ) {
        let (name, spellings) = SPELLINGS[at];
        let (text, meaning) = spellings[to.index(spellings.len())];
        let mut b = a.clone();
        b.retain(|(other, _)| *other != name);
        if !text.is_empty() {
            b.push((name, serde_json::from_str(text).unwrap()));
        }
        prop_assert_eq!(fingerprint(&a) == fingerprint(&b), means[at] == meaning, "{:?} {:?}", a, b);
    }
}

#[test]
fn the_parameters_tried_are_real_ones() {
    let body: Map<String, Value> = [("prompt".to_owned(), json!("a fox"))].into_iter().collect();
    for (name, spellings) in SPELLINGS {
        let mut body = body.clone();
        body.insert((*name).to_owned(), serde_json::from_str(spellings[spellings.len() - 1].0).unwrap());
        let params = parse_generation(Value::from(body).to_string().as_bytes()).unwrap();
        let ignored = &params.request.ignored;
        assert!(ignored.is_empty() || ["user", "moderation"].contains(name), "{name}: {ignored:?}");
    }
}
