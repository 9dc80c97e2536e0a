"""The fuzzer: mutates real files and recorded associations, and watches what the gateway makes of them."""
