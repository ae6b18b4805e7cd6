//go:build !amd64

package instructiontest

func multiplyAdds(int) float64 { return 0 }
