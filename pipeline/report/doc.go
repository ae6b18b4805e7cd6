// Package report draws plots and lays out pages for people: one HTML file that needs no network, in light and dark, or
// Markdown for a pull request. It is told what to show in plain numbers and words, and knows no run, cache or stage.
package report
