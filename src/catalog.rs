//! What each Evolink image model can do, and what a request therefore becomes.
//!
//! One table, one row a model ([`Row`]): validation, price, durations and `/v1/models` all read it. Pure: knows the
//! domain and OpenAI's model card, not how tasks are sent or pictures made. Start with [`Catalog::plan`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::wording::quote;
use crate::fault::{Fault, FaultKind};
use crate::image::{ImageRequest, Plan};
use crate::openai::ModelCard;

mod alias;
mod card;
mod inputs;
mod models;
mod own;
mod planning;
mod row;
mod sizes;
mod sizing;
mod tiering;
mod tokens;

pub use alias::{Alias, shipped_aliases};
pub use models::built_in;
pub use own::{MODEL_PARAMS, OwnKind, OwnParameter};
pub use row::{
    Efforts, Excess, Inputs, MaskRule, Output, Price, PriceVariant, PromptLimits, Row, STAND_IN_PRICE,
    TierField, Tiers, Transparency, TypicalTime,
};
pub use sizes::{PixelRule, PixelSizes, RatioRow, Sizes, nominal};
pub use tokens::{TokenRates, TokenTable};

/// When nothing is known of a class of tasks: any of the documented times.
const ANY_DURATION: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(90));

/// The models a gateway offers, under their own names and under aliases.
#[derive(Debug, Clone)]
pub struct Catalog {
    rows: Vec<Row>,
    aliases: BTreeMap<String, Alias>,
    default_model: String,
}

/// A name made out: the row that fulfils it, by way of an alias or not.
#[derive(Debug, Clone, Copy)]
pub struct Resolved<'a> {
    pub row: &'a Row,
    pub alias: Option<&'a Alias>,
}

impl Resolved<'_> {
    /// The model's own id: what allow-lists, metrics and upstream know.
    pub fn model(&self) -> &str {
        &self.row.model
    }
}

/// A name in the settings that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("the default model '{0}' is neither a model nor an alias")]
    Default(String),
    #[error("alias '{alias}' stands for '{model}', which is no model")]
    Alias { alias: String, model: String },
}

impl Catalog {
    /// The built-in models under these aliases. An alias wins over a model of the same name.
    pub fn new(aliases: BTreeMap<String, Alias>, default_model: impl Into<String>) -> Self {
        Self::with_rows(built_in(), aliases, default_model)
    }

    /// These models, in the order in which they are listed.
    pub fn with_rows(
        rows: Vec<Row>,
        aliases: BTreeMap<String, Alias>,
        default_model: impl Into<String>,
    ) -> Self {
        Self { rows, aliases, default_model: default_model.into() }
    }

    /// Names that lead nowhere; requests for them are answered 404.
    pub fn mistakes(&self) -> Vec<CatalogError> {
        let dangling = self.aliases.iter().filter(|(_, alias)| self.row(&alias.model).is_none());
        let mut mistakes: Vec<_> = dangling
            .map(|(name, alias)| CatalogError::Alias { alias: name.clone(), model: alias.model.clone() })
            .collect();
        if !self.rows.iter().any(|row| row.model == self.default_model)
            && !self.aliases.contains_key(&self.default_model)
        {
            mistakes.push(CatalogError::Default(self.default_model.clone()));
        }
        mistakes
    }

    /// The model behind a name; without a name, the default's.
    pub fn resolve(&self, name: Option<&str>) -> Result<Resolved<'_>, Fault> {
        let name = name.unwrap_or(&self.default_model);
        self.find(name).ok_or_else(|| {
            let message =
                format!("The model {} does not exist here. GET /v1/models lists the models.", quote(name));
            Fault::new(FaultKind::ModelNotFound, message).with_param("model")
        })
    }

    /// Checks a request against its model and settles everything the client left open.
    ///
    /// `stored`: whether finished pictures are kept here, so that links to converted ones can be given.
    /// Faults: 404 for the model, 413 for a picture of too many bytes, 400 for everything else; each names the parameter.
    pub fn plan(&self, request: ImageRequest, stored: bool) -> Result<Plan, Fault> {
        let resolved = self.resolve(request.model.as_deref())?;
        planning::plan(&self.rows, resolved, request, stored)
    }

    /// The row of a model by its own id, aliases and older names aside.
    pub fn row(&self, model: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.model == model)
    }

    /// All rows, also those that an alias of the same name hides.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Ids of the built-in models, for whoever checks names without a catalog at hand.
    pub fn model_ids() -> Vec<String> {
        built_in().into_iter().map(|row| row.model).collect()
    }

    /// Every name a request may use: models and their older names first, then aliases by name.
    pub fn known_ids(&self) -> Vec<&str> {
        let names = self.rows.iter().flat_map(|row| {
            let older = row.names.iter().filter(|name| self.row(name).is_none());
            [&row.model].into_iter().chain(older)
        });
        let own = names.map(String::as_str).filter(|name| !self.aliases.contains_key(*name));
        let aliases = self.aliases.iter().filter(|(_, alias)| self.row(&alias.model).is_some());
        own.chain(aliases.map(|(name, _)| name.as_str())).collect()
    }

    /// All models and aliases, as GET /v1/models tells of them.
    pub fn models(&self) -> Vec<ModelCard> {
        self.known_ids().into_iter().filter_map(|id| self.model(id)).collect()
    }

    /// One model or alias, as GET /v1/models/{id} tells of it.
    pub fn model(&self, id: &str) -> Option<ModelCard> {
        self.find(id).map(|found| card::card(id, found))
    }

    fn find(&self, name: &str) -> Option<Resolved<'_>> {
        let alias = self.aliases.get(name);
        let row = match alias {
            Some(alias) => self.row(&alias.model)?,
            // A model may have the older name of another: its own name goes first.
            None => self
                .row(name)
                .or_else(|| self.rows.iter().find(|row| row.names.iter().any(|old| old == name)))?,
        };
        Some(Resolved { row, alias })
    }
}

impl Default for Catalog {
    /// As shipped.
    fn default() -> Self {
        Self::new(shipped_aliases(), models::DEFAULT)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod second;
#[cfg(test)]
mod tests;
