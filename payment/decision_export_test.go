package payment

// RecordOf is how a decision is put on record.
var RecordOf = recordOf

// FactNames are those that are stored as a number.
var FactNames = factNames
