//! From `pricing` to the prices of the table of models.

use super::rows::{RowProblem, rows};
use crate::catalog::{Price, PriceVariant, Row, TokenRates, TokenTable};
use crate::config::Settings;
use crate::config::amount::Amount;
use crate::config::settings::{self, MaxResolution, ModelPrice, Pricing};
use crate::money::Credits;

/// The table of models as the settings have it: built-in rows, configured rows, prices.
///
/// # Errors
/// Columns and prices that cannot work, each at its place.
pub fn table(settings: &Settings) -> Result<Vec<Row>, Vec<RowProblem>> {
    priced(rows(&settings.models.catalog)?, &settings.pricing)
}

fn priced(mut rows: Vec<Row>, pricing: &Pricing) -> Result<Vec<Row>, Vec<RowProblem>> {
    for row in &mut rows {
        if let Price::Tokens(table) = &mut row.price {
            table.rates = rates(&pricing.tokens);
            table.per_reference = pricing.reference_tokens;
        }
    }
    let mut problems = Vec::new();
    for (model, price) in &pricing.models {
        // Names that lead nowhere are found with the settings.
        let Some(row) = rows.iter_mut().find(|row| row.model == *model) else { continue };
        if let Err(message) = change(row, price, pricing) {
            let path = format!("pricing.models[\"{model}\"].output_tokens");
            problems.push(RowProblem { path, message: message.to_owned() });
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

fn change(row: &mut Row, price: &ModelPrice, pricing: &Pricing) -> Result<(), &'static str> {
    if let Some(credits) = price.per_image {
        row.price = Price::PerImage(of(credits));
    } else if price.is_by_token() {
        let mut table = match &row.price {
            Price::Tokens(table) => table.clone(),
            Price::PerImage(_) => TokenTable {
                square_1k: Vec::new(),
                per_reference: pricing.reference_tokens,
                rates: rates(&pricing.tokens),
            },
        };
        retell(&mut table, price);
        if table.square_1k.is_empty() {
            return Err("is needed: the model is not known to be paid by the token");
        }
        row.price = Price::Tokens(table);
    }
    let variants = price.variants.iter().map(|variant| PriceVariant {
        quality: variant.quality,
        tier: variant.resolution.map(MaxResolution::tier),
        price: of(variant.per_image),
    });
    row.price_variants = variants.collect();
    Ok(())
}

fn retell(table: &mut TokenTable, price: &ModelPrice) {
    for (quality, tokens) in price.output_tokens.given() {
        table.square_1k.retain(|(known, _)| *known != quality);
        table.square_1k.push((quality, tokens));
    }
    table.per_reference = price.reference_tokens.unwrap_or(table.per_reference);
    let set = |rate: &mut u64, given: Option<Amount>| *rate = given.map_or(*rate, Amount::micros);
    set(&mut table.rates.output, price.tokens.image_output);
    set(&mut table.rates.input_image, price.tokens.image_input);
    set(&mut table.rates.input_text, price.tokens.text_input);
}

const fn rates(tokens: &settings::TokenPrices) -> TokenRates {
    TokenRates {
        output: tokens.image_output.micros(),
        input_image: tokens.image_input.micros(),
        input_text: tokens.text_input.micros(),
    }
}

const fn of(amount: Amount) -> Credits {
    Credits::from_micro(amount.micros())
}

#[cfg(test)]
mod tests;
