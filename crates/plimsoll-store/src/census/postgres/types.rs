//! Times as PostgreSQL sends them.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// From 1 January 1970 to 1 January 2000, in microseconds.
const EPOCH_US: i64 = 946_684_800_000_000;

/// A time in microseconds since 1970; PostgreSQL counts from 2000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) i64);

impl Time {
    pub(super) fn from_ms(ms: i64) -> Self {
        // PostgreSQL's times end in the year 294276, and begin 4713 BC.
        Self(ms.clamp(-210_866_803_200_000, 9_224_318_015_999_999).saturating_mul(1000))
    }

    pub(super) fn ms(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl<'a> FromSql<'a> for Time {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let us = i64::from_be_bytes(raw.try_into()?);
        // Infinity is the greatest number, and stays it.
        Ok(Self(us.saturating_add(EPOCH_US)))
    }

    accepts!(TIMESTAMPTZ, TIMESTAMP);
}

impl ToSql for Time {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0.saturating_sub(EPOCH_US).to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}
