package datasets

import (
	"errors"
)

// ErrViews reports views that are configured wrongly.
var ErrViews = errors.New("views")

// Views is augmentation that can be replayed: view v of a sample is a pure function of a seed, the sample's id and v.
// View 0 is the image itself. The parameters of a view are drawn first (see Draw) and then applied in the order of the
// fields (see View.Apply); each operation gives the pixels of torchvision's on Pillow images.
type Views struct {
	// Crop cuts out a part at random.
	Crop *Crop `yaml:"crop,omitempty"`
	// Shift moves a view by up to so many pixels in each direction, both axes on their own, uniformly; what moves in from
	// outside is 0.
	Shift int `yaml:"shift,omitempty"`
	// Flip mirrors a view left to right with probability ½.
	Flip bool `yaml:"flip,omitempty"`
	// Affine rotates, translates, scales and shears.
	Affine *Affine `yaml:"affine,omitempty"`
	// RandAugment applies operations from a list.
	RandAugment *RandAugment `yaml:"randaugment,omitempty"`
	// Jitter changes brightness, contrast, saturation and hue.
	Jitter *Jitter `yaml:"color_jitter,omitempty"`
	// Grayscale is the probability that a view loses its colours; it keeps its channels.
	Grayscale float64 `yaml:"grayscale,omitempty"`
	// Blur blurs.
	Blur *Blur `yaml:"blur,omitempty"`
	// Erase paints a rectangle over.
	Erase *Erase `yaml:"erasing,omitempty"`
}

// Apply returns the given view of img, which is the sample with the given id, developed (see Preprocess.Develop). View
// 0, and every view where there is nothing to change, shares the memory of img. Another view of an image that has not
// been developed is one of the image developed with defaults: turned upright, its transparency dropped.
func (v Views) Apply(img Image, seed uint64, id int64, view int32) Image {
	if view == 0 || v == (Views{}) {
		return img
	}
	img = Preprocess{}.Develop(img)
	return v.Draw(img.Height, img.Width, seed, id, view).Apply(img)
}

// View holds the drawn parameters of one view, all that is needed to replay it. As JSON it can be kept and applied
// elsewhere.
type View struct {
	Crop       *Box        `json:"crop,omitempty"` // part of the image
	Size       Size        `json:"size,omitempty"` // that it is resized to
	ShiftX     int         `json:"shift_x,omitempty"`
	ShiftY     int         `json:"shift_y,omitempty"`
	Mirror     bool        `json:"mirror,omitempty"`
	Affine     *Motion     `json:"affine,omitempty"`
	Augment    []Operation `json:"randaugment,omitempty"`
	Jitter     []Operation `json:"color_jitter,omitempty"` // in the order of application
	Gray       bool        `json:"grayscale,omitempty"`
	BlurKernel int         `json:"blur_kernel,omitempty"`
	BlurSigma  float64     `json:"blur_sigma,omitempty"`
	Erase      *Box        `json:"erase,omitempty"`
	EraseFill  RGB         `json:"erase_fill,omitempty"`
}

// Box is a rectangle of pixels.
type Box struct {
	Top    int `json:"top"`
	Left   int `json:"left"`
	Height int `json:"height"`
	Width  int `json:"width"`
}

// Operation is a change by name and strength.
type Operation struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Fill  RGB     `json:"fill,omitempty"`
}

// Apply carries out what was drawn.
func (w View) Apply(img Image) Image {
	if w.Crop != nil {
		img = cut(img, *w.Crop, w.Size)
	}
	if w.ShiftX != 0 || w.ShiftY != 0 {
		img = shifted(img, w.ShiftX, w.ShiftY)
	}
	if w.Mirror {
		img = mirrored(img)
	}
	if w.Affine != nil {
		img = w.Affine.apply(img)
	}
	for _, o := range w.Augment {
		img = o.augment(img)
	}
	for _, o := range w.Jitter {
		img = o.jitter(img)
	}
	if w.Gray {
		img = withoutColor(img)
	}
	if w.BlurKernel > 0 {
		img = blurred(img, w.BlurKernel, w.BlurSigma)
	}
	if w.Erase != nil {
		img = erased(img, *w.Erase, w.EraseFill)
	}
	return img
}

// like is an image of the same shape, of new pixels.
func (m Image) like() Image {
	return Image{Height: m.Height, Width: m.Width, Channels: m.Channels, Pixels: make([]uint8, len(m.Pixels))}
}

// shifted moves an image right by dx and down by dy. What moves in is black.
func shifted(img Image, dx, dy int) Image {
	out := img.like()
	stride := img.Width * img.Channels
	// Columns of the moved image that come from img, empty where it moved out altogether.
	from, to := max(0, dx), min(img.Width, img.Width+dx)
	for y := max(0, dy); y < min(img.Height, img.Height+dy) && from < to; y++ {
		row := out.Pixels[y*stride : (y+1)*stride]
		start := (y-dy)*stride - dx*img.Channels
		copy(row[from*img.Channels:to*img.Channels], img.Pixels[start+from*img.Channels:])
	}
	return out
}

// mirrored swaps left and right.
func mirrored(img Image) Image {
	out := img.like()
	for i := 0; i < len(img.Pixels); i += img.Width * img.Channels {
		for x := range img.Width {
			from, to := i+x*img.Channels, i+(img.Width-1-x)*img.Channels
			copy(out.Pixels[to:to+img.Channels], img.Pixels[from:from+img.Channels])
		}
	}
	return out
}

// erased paints a rectangle.
func erased(img Image, b Box, fill RGB) Image {
	out := img.like()
	copy(out.Pixels, img.Pixels)
	out.put(filled(b.Height, b.Width, img.Channels, fill), b.Top, b.Left)
	return out
}
