use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::time::{Instant, sleep};

use super::*;

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
        parameters: serde_json::Map::new(),
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
