package payment

// ShareKey names the running sum that a test fills.
func ShareKey(day string, band int64, ground, what string) string {
	return shareKey(day, band, ground, what)
}
