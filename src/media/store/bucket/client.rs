//! The way to the bucket's server: address, keys, time-outs, tries.

use std::net::IpAddr;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use reqwest::redirect;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

const USER_AGENT: &str = concat!("evolink-gateway/", env!("CARGO_PKG_VERSION"));
/// Longest a connection may take to stand.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Longest one try may take, its body included: two of them fit into the time of a put.
const ATTEMPT_MAX: Duration = Duration::from_secs(12);
/// Tries after the first one.
const RETRIES_MAX: usize = 2;
/// No further try begins after this time.
const RETRY_WITHIN: Duration = Duration::from_secs(15);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Below the idle time-outs of the usual servers and balancers (60 s and more).
const IDLE_CONNECTION: Duration = Duration::from_secs(45);

/// Where the bucket is, and who asks.
#[derive(Debug, Clone)]
pub struct BucketOptions {
    pub bucket: String,
    /// What every object's name begins with; may be empty.
    pub prefix: String,
    pub region: String,
    /// The server's address, if it is not Amazon's.
    pub endpoint: Option<String>,
    /// Without one: what the environment or the machine's role gives.
    pub keys: Option<(String, SecretString)>,
    /// The bucket's name is in the path instead of the host.
    pub path_style: bool,
}

/// Why there is no way to a bucket.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("{0}")]
    Client(reqwest::Error),
    #[error("{0}")]
    Options(#[from] object_store::Error),
}

/// Makes the client; sends nothing.
pub(super) fn server(options: &BucketOptions) -> Result<AmazonS3, BucketError> {
    let builder = match &options.keys {
        Some((id, secret)) => {
            AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose_secret())
        }
        None => with_the_machines_keys(),
    };
    let in_path = is_in_path(options);
    let builder = match &options.endpoint {
        Some(endpoint) => builder.with_endpoint(address(endpoint, &options.bucket, in_path)),
        None => builder,
    };
    let retries = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: PAUSE_FIRST,
            max_backoff: PAUSE_MAX,
            ..BackoffConfig::default()
        },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_WITHIN,
    };
    let server = builder
        .with_bucket_name(&options.bucket)
        .with_region(&options.region)
        .with_virtual_hosted_style_request(!in_path)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_http_connector(OneClient(client()?))
        // not every server knows the deletion of many at once
        .with_disable_bulk_delete(true)
        .with_retry(retries)
        .build()?;
    Ok(server)
}

/// What of the environment says who asks. Where and how is the configuration's affair alone.
const KEYS_AND_ROLES: [AmazonS3ConfigKey; 11] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::SecretAccessKey,
    AmazonS3ConfigKey::Token,
    AmazonS3ConfigKey::WebIdentityTokenFile,
    AmazonS3ConfigKey::RoleArn,
    AmazonS3ConfigKey::RoleSessionName,
    AmazonS3ConfigKey::StsEndpoint,
    AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    AmazonS3ConfigKey::ContainerCredentialsFullUri,
    AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
    AmazonS3ConfigKey::MetadataEndpoint,
];

fn with_the_machines_keys() -> AmazonS3Builder {
    let found = AmazonS3Builder::from_env();
    let given = KEYS_AND_ROLES.into_iter().filter_map(|key| Some((key, found.get_config_value(&key)?)));
    given.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value))
}

/// A certificate for `*.host` is none for names with dots, and an address has no names below it.
fn is_in_path(options: &BucketOptions) -> bool {
    let host = options.endpoint.as_deref().and_then(|endpoint| Url::parse(endpoint).ok());
    let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    options.path_style || options.bucket.contains('.') || is_address
}

/// With the bucket's name in the host, unless it is in the path.
fn address(endpoint: &str, bucket: &str, in_path: bool) -> String {
    match endpoint.split_once("://") {
        Some((scheme, rest)) if !in_path => format!("{scheme}://{bucket}.{rest}"),
        _ => endpoint.to_owned(),
    }
}

/// As the rest of the program speaks to others: certificates as the system or `SSL_CERT_FILE` name them, no proxy
/// variables, no redirects.
fn client() -> Result<reqwest::Client, BucketError> {
    let client = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .connect_timeout(CONNECT_MAX)
        .timeout(ATTEMPT_MAX)
        .pool_idle_timeout(IDLE_CONNECTION);
    client.build().map_err(BucketError::Client)
}

/// Gives the same client for everything, the asking for a role's keys included.
#[derive(Debug)]
struct OneClient(reqwest::Client);

impl HttpConnector for OneClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(endpoint: Option<&str>, bucket: &str, path_style: bool) -> BucketOptions {
        let (bucket, endpoint) = (bucket.to_owned(), endpoint.map(str::to_owned));
        let keys = Some(("id".to_owned(), SecretString::from("hush")));
        BucketOptions { bucket, prefix: String::new(), region: "eu-1".to_owned(), endpoint, keys, path_style }
    }

    #[test]
    fn the_buckets_name_is_in_the_host_where_that_can_be() {
        for (endpoint, bucket, path_style, in_path) in [
            (None, "pictures", false, false),
            (None, "pictures", true, true),
            (None, "my.pictures", false, true),
            (Some("https://s3.example.com"), "pictures", false, false),
            (Some("http://127.0.0.1:9000"), "pictures", false, true),
            (Some("http://[::1]:9000"), "pictures", false, true),
        ] {
            assert_eq!(is_in_path(&options(endpoint, bucket, path_style)), in_path, "{endpoint:?} {bucket}");
        }
        let host = "https://s3.example.com:9000";
        assert_eq!(address(host, "pictures", false), "https://pictures.s3.example.com:9000");
        assert_eq!(address(host, "pictures", true), host);
    }

    #[test]
    fn the_secret_is_shown_nowhere() {
        let options = options(None, "pictures", false);
        assert!(!format!("{options:?} {:?}", server(&options).unwrap()).contains("hush"));
    }
}
