package cardtest

// status is a status word (ISO/IEC 7816-4 section 5.6).
type status uint16

const (
	swOK          status = 0x9000
	swMore        status = 0x6100 // + bytes to come
	swWrongLength status = 0x6700
	swSecurity    status = 0x6982
	swBlocked     status = 0x6983
	swWrongData   status = 0x6a80
	swNotFound    status = 0x6a82
	swNoSpace     status = 0x6a84
	swWrongP1P2   status = 0x6a86
	swNoReference status = 0x6a88
	swWrongINS    status = 0x6d00
	swWrongCLA    status = 0x6e00
	swTries       status = 0x63c0 // + tries left
)

// command is a command APDU, its chain put together.
type command struct {
	ins, p1, p2 byte
	data        []byte
	most        int // bytes of the answer, Le
}

const (
	chained = 0x10 // in CLA: more of the data follows
	mostIn  = 8 << 10
	mostOut = 256 // of one answer, in short APDUs
)

// parseAPDU reads a short command APDU: cases 1 to 4.
func parseAPDU(b []byte) (cla byte, c command, sw status) {
	if len(b) < 4 {
		return 0, c, swWrongLength
	}
	c = command{ins: b[1], p1: b[2], p2: b[3], most: mostOut}
	rest := b[4:]
	if len(rest) > 1 {
		n := int(rest[0])
		if n == 0 || len(rest) != 1+n && len(rest) != 2+n {
			return 0, c, swWrongLength
		}
		c.data, rest = rest[1:1+n], rest[1+n:]
	}
	if len(rest) == 1 && rest[0] != 0 {
		c.most = int(rest[0])
	}
	return b[0], c, swOK
}

// tlv makes one BER-TLV object.
func tlv(tag int, value ...byte) []byte {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if t := tag >> shift; t != 0 {
			b = append(b, byte(t))
		}
	}
	switch n := len(value); {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	return append(b, value...)
}

// readTLV takes the first object off b.
func readTLV(b []byte) (tag int, value, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, nil, false
	}
	tag, b = int(b[0]), b[1:]
	if tag&0x1f == 0x1f {
		for more := true; more; {
			if len(b) == 0 || tag > 0xffff {
				return 0, nil, nil, false
			}
			more = b[0]&0x80 != 0
			tag, b = tag<<8|int(b[0]), b[1:]
		}
	}
	if len(b) == 0 {
		return 0, nil, nil, false
	}
	n, size := int(b[0]), 0
	b = b[1:]
	if n >= 0x80 {
		size, n = n&0x7f, 0
		if size > 2 || size == 0 || len(b) < size {
			return 0, nil, nil, false
		}
		for _, x := range b[:size] {
			n = n<<8 | int(x)
		}
		b = b[size:]
	}
	if len(b) < n {
		return 0, nil, nil, false
	}
	return tag, b[:n], b[n:], true
}

// template reads the objects in the value of the one object b is.
func template(b []byte, tag int) (objects map[int][]byte, ok bool) {
	t, value, rest, ok := readTLV(b)
	if !ok || t != tag || len(rest) != 0 {
		return nil, false
	}
	objects = map[int][]byte{}
	for len(value) > 0 {
		var one []byte
		if t, one, value, ok = readTLV(value); !ok {
			return nil, false
		}
		objects[t] = one
	}
	return objects, true
}
