package boreastest

// Cut makes [cut] available to the tests.
var Cut = cut
