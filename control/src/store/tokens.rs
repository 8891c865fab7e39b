//! Who holds which token.

use super::row::{Of, sql};
use super::{StoreError, View, Write};
use crate::domain::actor::{Actor, UserRole};
use crate::domain::text::PersonName;
use crate::token::{Holder, TokenHash};
use portcullis_model::time::UnixMs;

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    role: String,
    hash: String,
}

impl View {
    /// All holders of tokens.
    ///
    /// # Errors
    /// When the database fails or a row does not read.
    pub async fn holders(&mut self) -> Result<Vec<Holder>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT name, role, hash FROM tokens ORDER BY name").fetch_all(self.connection()).await?;
        rows.into_iter()
            .map(|row| {
                let of = Of { table: "token", id: &row.name };
                Ok(Holder {
                    hash: of.get("hash", TokenHash::from_hex(&row.hash))?,
                    actor: Actor {
                        role: of.get("role", UserRole::from_name(&row.role))?,
                        name: of.get("name", PersonName::try_from(row.name.clone()).ok())?,
                    },
                })
            })
            .collect()
    }
}

impl Write {
    /// Gives a token to a holder; one that the holder had is void.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_token(&mut self, actor: &Actor, hash: TokenHash, now: UnixMs) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO tokens (name, role, hash, created_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE SET role = excluded.role, hash = excluded.hash, created_ms = excluded.created_ms",
        )
        .bind(actor.name.as_str())
        .bind(actor.role.name())
        .bind(hash.to_hex())
        .bind(sql(now.0))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
