package main

import (
	"runtime"

	"github.com/urfave/cli/v2"
)

func versionCommand(out console) *cli.Command {
	return command(cli.Command{
		Name:   "version",
		Usage:  "print the program's version, the Go version it was built with and the platform",
		Flags:  []cli.Flag{out.jsonFlag()},
		Action: func(c *cli.Context) error { return runVersion(out, c.Args().Slice()) },
	}, onNothing, "rkd version")
}

func runVersion(out console, args []string) error {
	if len(args) > 0 {
		return usage(args[0], "version takes no argument, but got %q", args[0])
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if out.JSON {
		return out.printJSON(map[string]string{"version": version, "go": runtime.Version(), "platform": platform})
	}
	out.printf("rkd %s (%s, %s)\n", version, runtime.Version(), platform)
	return nil
}
