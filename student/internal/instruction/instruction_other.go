//go:build !amd64

package instruction

func best() Set { return Portable }
