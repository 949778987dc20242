"""Operations with gradients that take fewer passes over memory than torch's own."""
