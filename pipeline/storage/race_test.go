//go:build crash

package storage_test

func init() { raceRounds = 500 }
