package auth

// JWT checks JSON Web Tokens.
type JWT struct{}

// Backend asks the operator's backend about tokens.
type Backend struct{}
