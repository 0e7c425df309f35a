package performance

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// BenchmarkSQLite writes readings in transactions, with one setting after the other changed from those of the product:
// a write-ahead log, synchronous NORMAL, a cache of 8 MiB, 5,000 rows a transaction, prepared statements of 64 rows, rows kept
// in the order of their key. Readings come in the order of time, and go to the places of 1,000 devices.
func BenchmarkSQLite(b *testing.B) {
	type settings struct {
		name, journal, synchronous string
		cacheKiB, rows, statement  int
		withoutRowID               bool
	}
	for _, s := range []settings{
		{"product", "WAL", "NORMAL", 8192, 5000, 64, true},
		{"synchronous=FULL", "WAL", "FULL", 8192, 5000, 64, true},
		{"synchronous=OFF", "WAL", "OFF", 8192, 5000, 64, true},
		{"journal=DELETE", "DELETE", "FULL", 8192, 5000, 64, true},
		{"cache=2MiB", "WAL", "NORMAL", 2048, 5000, 64, true},
		{"cache=64MiB", "WAL", "NORMAL", 65536, 5000, 64, true},
		{"rows=100", "WAL", "NORMAL", 8192, 100, 64, true},
		{"rows=50000", "WAL", "NORMAL", 8192, 50_000, 64, true},
		{"statement=1", "WAL", "NORMAL", 8192, 5000, 1, true},
		{"with-rowid", "WAL", "NORMAL", 8192, 5000, 64, false},
	} {
		b.Run(s.name, func(b *testing.B) {
			query := url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(" + s.journal + ")", "synchronous(" + s.synchronous + ")",
				fmt.Sprintf("cache_size(-%d)", s.cacheKiB)}}
			db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "test.db")+"?"+query.Encode())
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(1)
			table := `CREATE TABLE readings (device INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (device, time))`
			if s.withoutRowID {
				table += " WITHOUT ROWID"
			}
			if _, err := db.Exec(table); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for written := 0; written < b.N; written += s.rows {
				if err := insert(db, written, min(s.rows, b.N-written), s.statement); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// insert writes n readings, numbered from first, in one transaction and prepared statements of so many rows.
func insert(db *sql.DB, first, n, statement int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // Of nothing, after the commit.
	whole, err := tx.Prepare(insertion(statement))
	if err != nil {
		return err
	}
	defer whole.Close()
	arguments := make([]any, 0, 3*statement)
	for done := 0; done < n; done += statement {
		rows := min(statement, n-done)
		arguments = arguments[:0]
		for number := first + done; number < first+done+rows; number++ {
			arguments = append(arguments, number%1000, number/1000, float64(number))
		}
		if rows == statement {
			_, err = whole.Exec(arguments...)
		} else {
			_, err = tx.Exec(insertion(rows), arguments...)
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

func insertion(rows int) string {
	return "INSERT INTO readings VALUES " + strings.TrimSuffix(strings.Repeat("(?,?,?),", rows), ",")
}
