"""Tables and pages made from recorded metrics alone."""
