//! An answer read while it comes: server-sent events, or whatever bytes there are.

use http::HeaderMap;
use serde_json::Value;
use tokio::time::timeout;

use super::PATIENCE;

/// An answer under way. Dropping it closes the connection.
pub(crate) struct Live {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    response: reqwest::Response,
    unread: Vec<u8>,
}

/// One block of an event stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Comment(String),
    Event { name: String, data: Value },
}

impl Live {
    /// The head of the answer to a request.
    pub(crate) async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = timeout(PATIENCE, request.send()).await.expect("no head").expect("no answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, response, unread: Vec::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The next bytes; none at the body's end.
    pub(crate) async fn piece(&mut self) -> Option<Vec<u8>> {
        let piece = timeout(PATIENCE, self.response.chunk()).await.expect("nothing comes").expect("cut");
        piece.map(|piece| piece.to_vec())
    }

    /// The next block; none at the stream's end, which must come after a blank line.
    pub(crate) async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Some(read_block(std::str::from_utf8(&block[..end]).unwrap()));
            }
            let Some(piece) = self.piece().await else {
                assert_eq!(self.unread, b"", "a block without its blank line");
                return None;
            };
            self.unread.extend(piece);
        }
    }

    /// All blocks until the end.
    pub(crate) async fn blocks(&mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        while let Some(block) = self.block().await {
            blocks.push(block);
        }
        blocks
    }

    /// The only event of the stream, and the comments before it.
    pub(crate) async fn event(&mut self) -> (Vec<String>, String, Value) {
        let mut blocks = self.blocks().await;
        let Some(Block::Event { name, data }) = blocks.pop() else { panic!("no event at the end") };
        let comments = blocks.into_iter().map(|block| match block {
            Block::Comment(text) => text,
            Block::Event { name, .. } => panic!("an event before the last: {name}"),
        });
        (comments.collect(), name, data)
    }
}

fn read_block(text: &str) -> Block {
    if let Some(comment) = text.strip_prefix(": ") {
        return Block::Comment(comment.to_owned());
    }
    let lines: Vec<_> = text.lines().collect();
    let [name, data] = lines[..] else { panic!("no event of two lines: {text}") };
    let name = name.strip_prefix("event: ").expect("no name").to_owned();
    let data = serde_json::from_str(data.strip_prefix("data: ").expect("no data")).unwrap();
    Block::Event { name, data }
}
