//! `demo`: what it prints is what a newcomer does.

use tokio::process::Command;

use super::process::{Folder, Running, binary};
use crate::support::{PATIENCE, decoded};

#[tokio::test]
async fn the_printed_curl_line_makes_a_picture_of_the_asked_size() {
    let folder = Folder::new();
    let mut demo = Running::start(binary(&folder).args(["demo", "--listen", "127.0.0.1:0"]));
    let base = demo.line("base URL").await.split_whitespace().last().unwrap().to_owned();
    let key = demo.line("team key").await.split_whitespace().last().unwrap().to_owned();
    let curl = demo.line("curl -s").await;
    let python = demo.line("client = OpenAI(").await;
    assert!(curl.contains(&base) && curl.contains(&key), "{curl}");
    assert!(python.contains(&base) && python.contains(&key), "{python}");
    let mut shell = Command::new("sh");
    let ran = shell
        .args(["-c", curl.trim()])
        .current_dir(folder.path(""))
        .env_remove("http_proxy")
        .kill_on_drop(true);
    let status = tokio::time::timeout(PATIENCE, ran.status()).await.expect("the line does not end").unwrap();
    assert!(status.success());
    let picture = decoded(std::fs::read(folder.path("picture.png")).unwrap());
    assert_eq!((picture.format, picture.size), (image::ImageFormat::Png, (1024, 1024)));
    demo.signal("INT").await;
    assert_eq!(demo.ended().await.code(), Some(0), "{}", demo.said);
}
