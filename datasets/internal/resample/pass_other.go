//go:build !amd64

package resample

func horizontalFast(plane, plane, int, *weights) int { return 0 }

func verticalFast([]uint8, []uint8, int, *weights, int) int { return 0 }
