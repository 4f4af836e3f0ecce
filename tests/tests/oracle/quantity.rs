//! Amounts, as the reference and Kubernetes write them.

use crate::model::Quantity;

const DECIMAL: [&str; 6] = ["", "k", "M", "G", "T", "P"];
const BINARY: [&str; 6] = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];

/// What it is worth, in thousandths.
pub(crate) fn worth(quantity: Quantity) -> i128 {
    let amount = i128::from(quantity.amount);
    if quantity.unit == "m" {
        return amount;
    }
    let power = |units: &[&str]| units.iter().position(|it| *it == quantity.unit);
    let factor = match (power(&DECIMAL), power(&BINARY)) {
        (Some(power), _) => 1000_i128.pow(power as u32),
        (_, Some(power)) => 1024_i128.pow(power as u32),
        _ => unreachable!("there are no other units"),
    };
    amount * factor * 1000
}

/// The largest unit of its kind that leaves no fraction.
pub(crate) fn canonical(quantity: Quantity) -> String {
    let worth = worth(quantity);
    if worth == 0 {
        return "0".into();
    }
    if worth % 1000 != 0 {
        return format!("{worth}m");
    }
    let whole = worth / 1000;
    let (step, units) = if quantity.unit.ends_with('i') { (1024, BINARY) } else { (1000, DECIMAL) };
    let mut found = (whole, "");
    for (power, unit) in units.iter().enumerate() {
        let size = i128::pow(step, power as u32);
        if whole % size == 0 {
            found = (whole / size, unit);
        }
    }
    format!("{}{}", found.0, found.1)
}
