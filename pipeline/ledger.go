package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"rkd/datasets"
	"rkd/datasets/regular"
	"rkd/pipeline/cache"
	"rkd/pipeline/lock"
	"rkd/student/train/record"
)

// LedgerFile is the name, in a run directory, of the account of the training data.
const LedgerFile = "ledger.json"

// Account says what became of all training data: Data.Found = Cached + all of Skipped + what Data has left out, ignored
// and dropped.
type Account struct {
	Data    datasets.Ledger `json:"data"`
	Cached  int             `json:"cached"` // samples of which every view is in the cache
	Rows    int             `json:"rows"`   // of the cache
	Skipped []Undecodable   `json:"skipped"`
}

// account balances the samples of the data against the rows of their cache, and writes the ledger into the run
// directory. Totals that do not add up are cache.ErrRows.
func (r *Runner) account(ctx context.Context, data datasets.Dataset, filled *cache.Cache, views int) (*Account, error) {
	m := filled.Manifest()
	a := &Account{Data: data.Ledger(), Rows: m.Rows, Cached: data.Len() - m.Skipped.Count, Skipped: []Undecodable{}}
	least, most := a.Cached*views, data.Len()*views-m.Skipped.Count
	if err := a.Data.Balance(); err != nil {
		return nil, err
	}
	if m.Rows < least || m.Rows > most {
		return nil,
			fmt.Errorf("%w: %d samples in %d views, of which %d are skipped, but the cache has %d rows, expected %d to %d",
				cache.ErrRows, data.Len(), views, m.Skipped.Count, m.Rows, least, most)
	}
	for _, id := range m.Skipped.IDs {
		at, ok := data.Find(id)
		if !ok {
			return nil, fmt.Errorf("%w: the cache has skipped sample %d, which the data do not have", cache.ErrRows, id)
		}
		reason := "it did not decode when the cache was made"
		if _, err := data.Sample(at).Size(ctx); err != nil {
			reason = err.Error()
		}
		a.Skipped = append(a.Skipped, Undecodable{Path: data.Path(at), Reason: reason})
	}
	r.Progress.Say("cache: of %d files and samples %d are cached, %d skipped; %s", a.Data.Found, a.Cached,
		len(a.Skipped),
		a.Data)
	return a, r.writeAccount(a)
}

// accountOnce writes the ledger of a cache that tasks of a plan have filled, which no process has seen whole before.
// Vectors that were imported may lack samples, and have none.
func (r *Runner) accountOnce(ctx context.Context, data datasets.Dataset, s *source) error {
	if _, err := os.Stat(filepath.Join(workDir(&r.Experiment.Base), LedgerFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for i, t := range s.teachers {
		if t.Config.Teacher.Declared != "" {
			continue
		}
		if _, err := r.account(ctx, data, s.caches[i], t.Config.Cache.Views); err != nil {
			return t.Named(err)
		}
	}
	return nil
}

// readAccount reads the ledger of a run directory; nil where there is none.
func readAccount(dir string) (*Account, error) {
	data, err := regular.ReadFile(filepath.Join(dir, LedgerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	a := new(Account)
	if err := json.Unmarshal(data, a); err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return a, nil
}

// writeAccount writes the ledger; one that is there and says the same is left alone, as is a folder that cannot be
// written.
func (r *Runner) writeAccount(a *Account) error {
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	data = append(data, '\n')
	dir := workDir(&r.Experiment.Base)
	path := filepath.Join(dir, LedgerFile)
	if err := sweepLedger(dir); err != nil {
		return err
	}
	if there, err := regular.ReadFile(path); err == nil && bytes.Equal(there, data) {
		return nil
	}
	for range 3 { // another process may take a file that is being written for one that was left behind
		if err = record.WriteFile(path, data); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}

// sweepLedger removes what killed processes left of a ledger, unless the run directory is in use: whoever holds it
// sweeps it, see holdRun. Precomputing holds no run directory, as several processes may fill one cache.
func sweepLedger(dir string) error {
	entries, _ := os.ReadDir(dir) // none where there is no folder yet
	left := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "."+LedgerFile) })
	if !left {
		return nil
	}
	l, err := lock.Hold(dir, lock.Exclusive)
	if err != nil {
		return nil
	}
	return errors.Join(record.Sweep(dir, regexp.QuoteMeta(LedgerFile)), l.Release())
}
