package cache

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The files that are not shards. A folder's first plan is PLAN.json, later ones are PLAN-2.json and so on.
const (
	ManifestName = "manifest.json"
	PlanName     = "PLAN.json"

	samplesSuffix = ".samples"
	indexSuffix   = ".index"
	basisSuffix   = ".basis"
	partSuffix    = ".part"
	recordSuffix  = ".done"
	tableSuffix   = ".shards"
)

// The names of this package's files. Those of the samples, the index of rows and
// the principal components name their content.
var (
	shardPattern   = regexp.MustCompile(`^shard-(\d{5,})-of-(\d{5,})(?:-plan-(\d+))?\.parquet$`)
	planPattern    = regexp.MustCompile(`^PLAN(?:-(\d+))?\.json$`)
	partPattern    = regexp.MustCompile(`^(shard-\d{5,}-of-\d{5,}(?:-plan-\d+)?)\.(\d{9,})-(\d{9,})\.part$`)
	contentPattern = regexp.MustCompile(`^plan-[0-9a-f]{16}\.(?:samples|index|basis|shards)$`)
	recordPattern  = regexp.MustCompile(`^task-\d{5,}-of-\d{5,}(?:-plan-\d+)?\.done$`)
)

// isOurs tells whether a name is one that this package writes.
func isOurs(name string) bool {
	for _, p := range []*regexp.Regexp{shardPattern, planPattern, partPattern, contentPattern, recordPattern} {
		if p.MatchString(name) {
			return true
		}
	}
	return name == ManifestName || name == CardName
}

// parseShard returns what shardName was called with.
func parseShard(name string) (plan, i, count int, ok bool) {
	m := shardPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, 0, 0, false
	}
	plan = 1
	var errs [3]error
	if m[3] != "" {
		plan, errs[2] = strconv.Atoi(m[3])
	}
	i, errs[0] = strconv.Atoi(m[1])
	count, errs[1] = strconv.Atoi(m[2])
	return plan, i, count, errors.Join(errs[:]...) == nil
}

// shardName names shard i of a plan's count. Plans are counted from 1.
func shardName(plan, i, count int) string {
	if plan > 1 {
		return fmt.Sprintf("shard-%05d-of-%05d-plan-%d.parquet", i, count, plan)
	}
	return fmt.Sprintf("shard-%05d-of-%05d.parquet", i, count)
}

// planName names a plan's file.
func planName(number int) string {
	if number > 1 {
		return fmt.Sprintf("PLAN-%d.json", number)
	}
	return PlanName
}

// planNumber returns the number of the plan whose file has a name, or 0.
func planNumber(name string) int {
	m := planPattern.FindStringSubmatch(name)
	switch {
	case m == nil:
		return 0
	case m[1] == "":
		return 1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 2 {
		return 0
	}
	return n
}

// contentName names a file by the SHA-256 of what is in it.
func contentName(sum, suffix string) string { return "plan-" + sum[:16] + suffix }

// partName names the file that holds rows [from, to) of a shard while it is unfinished.
func partName(shard string, from, to int) string {
	return fmt.Sprintf("%s.%09d-%09d%s", strings.TrimSuffix(shard, ".parquet"), from, to, partSuffix)
}

// parsePart returns what partName was called with.
func parsePart(name string) (shard string, from, to int, ok bool) {
	m := partPattern.FindStringSubmatch(name)
	if m == nil {
		return "", 0, 0, false
	}
	from, errFrom := strconv.Atoi(m[2])
	to, errTo := strconv.Atoi(m[3])
	return m[1] + ".parquet", from, to, errFrom == nil && errTo == nil && from < to
}
