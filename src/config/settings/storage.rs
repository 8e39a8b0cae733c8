//! `images` and `state`: where pictures and the gateway's own records are kept.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::address::{HttpUrl, RedisUrl};
use crate::config::duration::{hours, secs};
use crate::config::macros::{choices, settings};
use crate::config::secret::Secret;
use crate::config::size::Size;

settings! {
    /// Where finished pictures are kept for links.
    pub struct Images {
        /// The kind of store.
        store: ImageStore = ImageStore::Disk,
        /// The directory of the disk store.
        path: PathBuf = PathBuf::from("./data/images"),
        /// How long pictures are kept.
        keep: Duration = hours(168) => secs(1)..=hours(24 * 366),
        /// The most the store may hold; the pictures unused longest go first, in a bucket the oldest.
        max_size: Size = Size::gib(10) => Size::mib(1)..=Size::gib(1024 * 1024),
        /// How long a link works.
        link_ttl: Duration = hours(24) => secs(1)..=hours(24 * 366),
        /// The secret links are signed with. Default: made at the first start and kept with the state.
        link_secret: Option<Secret> = None,
        /// The bucket of the S3 store.
        s3: Option<S3> = None,
    }
}

choices! {
    /// The kind of store for pictures.
    pub enum ImageStore {
        Disk = "disk",
        S3 = "s3",
        /// Pictures are not stored; links are Evolink's own.
        None = "none",
    }
}

settings! {
    /// A bucket of S3 or of a store that speaks its protocol.
    pub struct S3 {
        /// The bucket's name.
        bucket: String,
        /// What every object's name begins with.
        prefix: String = String::new(),
        /// The bucket's region.
        region: String = "us-east-1".to_owned(),
        /// The store's address, for other stores than Amazon's.
        endpoint: Option<HttpUrl> = None,
        /// The access key; without one, the machine's role.
        access_key_id: Option<String> = None,
        /// The access key's secret.
        secret_access_key: Option<Secret> = None,
        /// True: the bucket's name is in the path instead of the host.
        path_style: bool = false,
    }
}

settings! {
    /// Where generations, budgets and keys are kept.
    pub struct State {
        /// The kind of store.
        store: StateStore = StateStore::Embedded,
        /// The directory of the embedded store and of the first key.
        path: PathBuf = PathBuf::from("./data"),
        /// The server of the redis store.
        redis: Option<Redis> = None,
    }
}

choices! {
    /// The kind of store for the gateway's own records.
    pub enum StateStore {
        /// A file, for one gateway.
        Embedded = "embedded",
        /// A Redis or Valkey server, for several gateways.
        Redis = "redis",
        /// Nothing outlives the process. For tests and benchmarks.
        Memory = "memory",
    }
}

settings! {
    /// A Redis or Valkey server.
    pub struct Redis {
        /// Its address, for example redis://redis.internal:6379/0, or rediss:// for TLS.
        url: RedisUrl,
        /// What every key begins with.
        prefix: String = "evolink-gateway:".to_owned(),
        /// What becomes of requests while it cannot be reached.
        on_outage: OnOutage = OnOutage::Refuse,
    }
}

choices! {
    /// What becomes of requests while the state cannot be reached.
    pub enum OnOutage {
        /// They get 503.
        Refuse = "refuse",
        /// They are let through, uncounted.
        Allow = "allow",
    }
}
