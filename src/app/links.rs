//! Own links as the settings want them: the secret they are signed with, and what they begin with.

use secrecy::SecretString;

use super::StartError;
use crate::config::Settings;
use crate::keys::mint_link_secret;
use crate::media::{Links, PictureStore};
use crate::server::{Origins, OwnLinks};

/// Characters of `images.link_secret`, at least: shorter ones could be found out by whoever has a link.
const LINK_SECRET_MIN: usize = 16;

/// Links to the pictures of this store. May read and write a file, so it blocks.
pub(super) fn own_links(settings: &Settings, store: PictureStore) -> Result<OwnLinks, StartError> {
    let links = Links::new(&secret(settings)?, settings.images.link_ttl);
    Ok(OwnLinks::new(store, links))
}

/// That of the settings, else one that is kept with the state.
fn secret(settings: &Settings) -> Result<SecretString, StartError> {
    if let Some(secret) = settings.images.link_secret.as_ref().filter(|secret| !secret.is_empty()) {
        if secret.expose().len() < LINK_SECRET_MIN {
            tracing::warn!(
                "images.link_secret is short: whoever has a link can try secrets out, and then forge others"
            );
        }
        return Ok(secret.to_secret());
    }
    let path = &settings.state.path;
    let minted = mint_link_secret(path)
        .map_err(|error| StartError::LinkSecret { path: path.display().to_string(), error })?;
    Ok(minted.to_secret())
}

pub(super) fn origins(settings: &Settings) -> Origins {
    let public_url = settings.server.public_url.as_ref().map(|url| url.base().to_owned());
    let trusted = settings.server.trusted_proxies.clone();
    Origins::new(public_url, move |peer| trusted.iter().any(|network| network.contains(peer)))
}
