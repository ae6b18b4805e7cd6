//go:build crash

package cache

func init() { raceRounds = 500 }
