//! What a client meets when a create goes wrong upstream.

use serde_json::json;

use crate::support::Harness;

#[tokio::test]
async fn a_picture_comes() {
    let house = Harness::start().await;
    let began = std::time::Instant::now();
    let answer = house.draw("a fox").await;
    assert_eq!(answer.picture().size, (816, 816));
    eprintln!("{:?} {:?}", began.elapsed(), answer.headers);
    let answer = house.generate(json!({"prompt": "a fox 2"})).await;
    eprintln!("{:?} {:?}", began.elapsed(), answer.headers);
    house.has_tasks(2);
    house.finish().await;
    eprintln!("{:?}", began.elapsed());
}
