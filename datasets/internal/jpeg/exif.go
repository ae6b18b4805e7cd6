package jpeg

import "encoding/binary"

// Orientation returns the orientation, 1 to 8, that EXIF data (a TIFF structure, without the "Exif" in front of it in a
// JPEG) ask for. It is 1, upright, where they do not say or cannot be read.
//
// Source: CIPA DC-008 (Exif 2.32), 4.6.4.
func Orientation(exif []byte) int {
	const (
		tagOrientation = 0x0112
		typeShort      = 3
	)
	if len(exif) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(exif[4:]))
	if at+2 > uint64(len(exif)) {
		return 1
	}
	entries := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == tagOrientation {
			value := order.Uint16(entries[8:])
			if order.Uint16(entries[2:]) != typeShort || value < 1 || value > 8 {
				return 1
			}
			return int(value)
		}
		entries = entries[12:]
	}
	return 1
}
