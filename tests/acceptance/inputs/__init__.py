"""Tables of odd and broken inputs, by outcome; `test_inputs` sends every row to one gateway."""
