package datasets

import (
	"image"

	"golang.org/x/image/draw"
)

// resize scales img to height × width with the bilinear (triangle) kernel and returns the given window of the result. The
// kernel widens when it shrinks an image, as Pillow's and torchvision's does with antialiasing; values differ from
// Pillow's, which rounds twice, by one level at most.
func resize(img Image, height, width int, window image.Rectangle) Image {
	scaled := image.NewRGBA(window)
	draw.BiLinear.Scale(scaled, image.Rect(0, 0, width, height), img.standard(), image.Rect(0, 0, img.Width, img.Height), draw.Src, nil)
	out := Image{
		Height: window.Dy(), Width: window.Dx(), Channels: img.Channels,
		Pixels: make([]uint8, window.Dy()*window.Dx()*img.Channels),
	}
	for i := range window.Dy() * window.Dx() {
		copy(out.Pixels[i*img.Channels:(i+1)*img.Channels], scaled.Pix[4*i:])
	}
	return out
}

// standard is the image in the form of the standard library.
func (img Image) standard() image.Image {
	bounds := image.Rect(0, 0, img.Width, img.Height)
	if img.Channels == 1 {
		return &image.Gray{Pix: img.Pixels, Stride: img.Width, Rect: bounds}
	}
	rgba := image.NewRGBA(bounds)
	for i := range img.Width * img.Height {
		p := rgba.Pix[4*i : 4*i+4]
		copy(p, img.Pixels[3*i:3*i+3])
		p[3] = 255
	}
	return rgba
}
