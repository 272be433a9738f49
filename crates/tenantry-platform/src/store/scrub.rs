//! Removes all bytes of erased rows from a SQLite file, its WAL and its indexes.
//!
//! With `secure_delete` SQLite overwrites a deleted row at its current position. It does not overwrite the copies of
//! rows that it moved between pages while it balanced a tree. These remain between a page's list of cells and its first
//! cell, where nothing reads. This module overwrites these gaps, a few pages per transaction, so that other writes wait
//! for milliseconds and memory does not grow with the file. It truncates the WAL afterwards.

use std::ops::Range;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::{Store, Tx};
use crate::error::ApiError;

/// Pages that one step reads, and pages that one step returns to the file system.
const PAGES_PER_STEP: i64 = 256;

/// Number of pages, 64 GiB, from which the first byte of a page may belong to a page number.
const MAX_PAGES: i64 = 1 << 24;

/// Number of passes over all pages: rows may move to another page while the first pass runs.
const PASSES: u32 = 2;

/// Number of attempts to truncate the WAL, a tenth of a second apart, while a reader still uses it.
const TRUNCATE_TRIES: u32 = 50;

/// A database page as read.
struct DatabasePage {
    number: i64,
    bytes: Vec<u8>,
}

impl Store {
    /// Returns whether the file may still hold bytes of erased rows.
    pub(crate) async fn needs_scrub(&self) -> Result<bool, ApiError> {
        Ok(self.pending_erasures().await? != 0)
    }

    /// Counts erasures since the last scrub.
    async fn pending_erasures(&self) -> Result<i64, ApiError> {
        let wants = sqlx::query_scalar("SELECT value FROM counter WHERE name = 'scrub'");
        Ok(wants.fetch_one(&self.readers).await?)
    }

    /// Overwrites erased bytes, releases free pages and truncates the WAL. PostgreSQL does this by itself over time.
    pub(crate) async fn scrub_file(&self) -> Result<(), ApiError> {
        let seen = self.pending_erasures().await?;
        self.scrub_up_to(seen).await
    }

    /// Scrubs the erasures that were counted in `seen`.
    async fn scrub_up_to(&self, seen: i64) -> Result<(), ApiError> {
        if self.is_sqlite {
            for _ in 0..PASSES {
                if !self.overwrite_gaps().await? {
                    return Ok(());
                }
            }
            self.release_free_pages().await?;
            if !self.truncate_wal().await? {
                // The counter is not cleared, so the next round tries again.
                tracing::warn!(
                    "the database file still holds purged bytes: somebody reads in it; the next round tries again"
                );
                return Ok(());
            }
        }
        self.clear_erasures(seen).await
    }

    /// Clears the counter, unless it changed since it was read: pages that were already visited may hold bytes of a
    /// later erasure.
    async fn clear_erasures(&self, seen: i64) -> Result<(), ApiError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("UPDATE counter SET value = 0 WHERE name = 'scrub' AND value = $1");
        done.bind(seen).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// Overwrites the gaps of all pages. Returns `false` if the file is too large; the counter is then not cleared.
    async fn overwrite_gaps(&self) -> Result<bool, ApiError> {
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&self.readers).await?;
        let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum").fetch_one(&self.readers).await?;
        let has_maps = mode != 0;
        if pages >= MAX_PAGES {
            tracing::warn!(
                pages,
                "the file is too large for its gaps to be overwritten; run `tenantry-platform compact`"
            );
            return Ok(false);
        }
        let mut from = 1;
        while from <= pages {
            let seen = self.read_pages(from).await?;
            let dirty: Vec<DatabasePage> =
                seen.into_iter().filter(|page| !unused_range(page, has_maps).is_empty()).collect();
            if !dirty.is_empty() {
                self.overwrite_pages(&dirty, has_maps).await?;
            }
            from += PAGES_PER_STEP;
        }
        Ok(true)
    }

    async fn read_pages(&self, from: i64) -> Result<Vec<DatabasePage>, ApiError> {
        let rows = sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) \
             SELECT p.pgno AS number, p.data AS bytes FROM n CROSS JOIN sqlite_dbpage p ON p.pgno = n.i",
        );
        let rows = rows.bind(from).bind(from + PAGES_PER_STEP - 1).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| Ok(DatabasePage { number: row.try_get("number")?, bytes: row.try_get("bytes")? }))
            .collect()
    }

    /// Overwrites the gaps of pages that did not change since they were read. A later pass handles the changed ones.
    async fn overwrite_pages(&self, pages: &[DatabasePage], has_maps: bool) -> Result<(), ApiError> {
        let mut tx = self.begin().await?;
        // Takes the write lock first, so that pages do not change after they are read.
        sqlx::query("UPDATE counter SET value = value WHERE name = 'scrub'").execute(&mut *tx).await?;
        for page in pages {
            let now = sqlx::query_scalar("SELECT data FROM sqlite_dbpage WHERE pgno = $1").bind(page.number);
            let now: Option<Vec<u8>> = now.fetch_optional(&mut *tx).await?;
            if now.as_ref() == Some(&page.bytes) {
                let mut clean = page.bytes.clone();
                clean[unused_range(page, has_maps)].fill(0);
                let save = sqlx::query("UPDATE sqlite_dbpage SET data = $1 WHERE pgno = $2");
                save.bind(clean).bind(page.number).execute(&mut *tx).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// Returns free pages at the end of the file to the file system. A file from an earlier release keeps them for
    /// reuse until `compact` has rewritten it once.
    async fn release_free_pages(&self) -> Result<(), ApiError> {
        loop {
            let mut connection = self.writer.acquire().await?;
            let free = |row: sqlx::any::AnyRow| row.try_get::<i64, _>(0);
            let before = free(connection.fetch_one("PRAGMA freelist_count").await?)?;
            connection.execute(AssertSqlSafe(format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})"))).await?;
            let left = free(connection.fetch_one("PRAGMA freelist_count").await?)?;
            if left == 0 || left >= before {
                return Ok(());
            }
        }
    }

    /// Moves the WAL into the file and truncates it. Returns `false` if other connections prevented it.
    async fn truncate_wal(&self) -> Result<bool, ApiError> {
        for _ in 0..TRUNCATE_TRIES {
            let mut connection = self.writer.acquire().await?;
            let patience: i64 = connection.fetch_one("PRAGMA busy_timeout").await?.try_get(0)?;
            // Other writes are blocked while this waits for readers, so the timeout is short.
            connection.execute("PRAGMA busy_timeout = 20").await?;
            let cut = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await;
            connection.execute(AssertSqlSafe(format!("PRAGMA busy_timeout = {patience}"))).await?;
            if cut?.try_get::<i64, _>(0)? == 0 {
                return Ok(true);
            }
            drop(connection);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(false)
    }
}

/// Returns the unused byte range of a tree page. The range is empty if it holds only zeros or if the page does not
/// belong to a tree.
///
/// The first byte decides. A tree page has one of four kinds there. On any other page it is the highest byte of a page
/// number, which is 0 below 64 GiB. In a pointer map it is 1 to 5, and what follows is not a list of cells.
fn unused_range(page: &DatabasePage, has_maps: bool) -> Range<usize> {
    const NONE: Range<usize> = 0..0;
    let bytes = &page.bytes;
    let header = if page.number == 1 { 100 } else { 0 };
    let number = |at: usize| bytes.get(at..at + 2).map_or(0, |pair| usize::from(pair[0]) << 8 | usize::from(pair[1]));
    let head = match bytes.get(header) {
        Some(10 | 13) => 8,
        Some(2 | 5) if !(has_maps && is_pointer_map(page)) => 12,
        _ => return NONE,
    };
    let start = header + head + 2 * number(header + 3);
    let first = match number(header + 5) {
        0 => 1 << 16,
        first => first,
    };
    match bytes.get(start..first) {
        Some(gap) if gap.iter().any(|byte| *byte != 0) => start..first,
        _ => NONE,
    }
}

/// Records that rows were erased, so that the next housekeeping round removes their bytes from the file.
pub(crate) async fn request_scrub(tx: &mut Tx) -> Result<(), ApiError> {
    sqlx::query("UPDATE counter SET value = value + 1 WHERE name = 'scrub'").execute(&mut **tx).await?;
    Ok(())
}

/// Returns whether a page is a pointer map: page 2, and then one page after every group of pages that one map covers.
/// An entry has five bytes.
fn is_pointer_map(page: &DatabasePage) -> bool {
    let places = i64::try_from(page.bytes.len() / 5).unwrap_or(i64::MAX - 1);
    page.number >= 2 && (page.number - 2) % (places + 1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a page of 64 bytes with two cells at its end and other bytes in between.
    fn test_page(kind: u8, number: i64) -> DatabasePage {
        let mut bytes = vec![b'x'; 64];
        bytes[..8].copy_from_slice(&[kind, 0, 0, 0, 2, 0, 50, 0]);
        DatabasePage { number, bytes }
    }

    #[test]
    fn the_gap_lies_between_the_list_of_cells_and_the_first_cell() {
        let gap_of = |page: &DatabasePage| unused_range(page, true);
        assert_eq!((gap_of(&test_page(13, 3)), gap_of(&test_page(10, 3))), (12..50, 12..50));
        assert_eq!((gap_of(&test_page(5, 3)), gap_of(&test_page(2, 3))), (16..50, 16..50));
        assert_eq!(super::unused_range(&test_page(5, 2), false), 16..50, "a file without maps");
        for none in [test_page(0, 3), test_page(1, 3), test_page(3, 3), test_page(5, 2), test_page(2, 15)] {
            assert_eq!(gap_of(&none), 0..0, "{}", none.number);
        }
        let mut clean = test_page(13, 3);
        clean.bytes[12..50].fill(0);
        assert_eq!(gap_of(&clean), 0..0);
        // A page that claims more cells than it has space for is left unchanged.
        let mut broken = test_page(13, 3);
        broken.bytes[3] = 200;
        assert_eq!(gap_of(&broken), 0..0);
    }

    #[tokio::test]
    async fn an_erasure_while_the_file_is_scrubbed_is_not_forgotten() {
        let folder = std::env::temp_dir().join(format!("tenantry-scrub-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(folder.join("t.db").to_str().unwrap(), Duration::from_secs(10)).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        request_scrub(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        // A scrub first reads the counter. It may already have passed what is erased after that.
        let seen = store.pending_erasures().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        request_scrub(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        store.scrub_up_to(seen).await.unwrap();
        assert!(store.needs_scrub().await.unwrap(), "the second erasure waits for the next round");
        store.scrub_file().await.unwrap();
        assert!(!store.needs_scrub().await.unwrap());
        store.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
