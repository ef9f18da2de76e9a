"""The analog optical computer of Microsoft: signed drives about a bias, weights on two rails of polarised light."""
