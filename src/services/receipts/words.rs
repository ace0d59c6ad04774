//! The words of a receipt on paper, in the languages consent texts come in. A text in another language gets English around it.

use crate::domain::consent::{Capacity, Decision, Method, Purpose};

/// Words of one language.
pub struct Words {
    /// Whether the language is written from right to left.
    pub right_to_left: bool,
    /// Heading.
    pub title: &'static str,
    /// Labels of the facts, in the order of [`Label`].
    labels: [&'static str; 19],
    purposes: [&'static str; 6],
    decisions: [&'static str; 3],
    capacities: [&'static str; 3],
    methods: [&'static str; 3],
    /// Heading of the words that were shown.
    pub shown: &'static str,
    /// Heading of the proof.
    pub proof: &'static str,
    /// What the proof says, and how to check it.
    pub proof_text: &'static str,
    /// How to withdraw.
    pub withdraw: &'static str,
    /// Until the consultation ends.
    pub until_the_end: &'static str,
    /// `{n}` days.
    pub days: &'static str,
}

/// What a line of a receipt is about.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each is its own name")]
pub enum Label {
    Person,
    Capacity,
    Representative,
    Decision,
    Permitted,
    Denied,
    When,
    Text,
    Controller,
    LegalBasis,
    Jurisdiction,
    Recipients,
    Kept,
    Holds,
    Method,
    Receipt,
    Entry,
    Fingerprint,
    Withdrawal,
}

impl Words {
    /// The words of a language, or English ones.
    #[must_use]
    pub fn of(language: &str) -> &'static Self {
        match language.split('-').next().unwrap_or(language) {
            "es" => &ES,
            "de" => &DE,
            "fr" => &FR,
            "ar" => &AR,
            _ => &EN,
        }
    }

    /// A label.
    #[must_use]
    pub const fn label(&self, label: Label) -> &'static str {
        self.labels[label as usize]
    }

    /// A purpose.
    #[must_use]
    pub const fn purpose(&self, purpose: Purpose) -> &'static str {
        self.purposes[purpose as usize]
    }

    /// A decision.
    #[must_use]
    pub const fn decision(&self, decision: Decision) -> &'static str {
        self.decisions[decision as usize]
    }

    /// A capacity.
    #[must_use]
    pub const fn capacity(&self, capacity: Capacity) -> &'static str {
        self.capacities[capacity as usize]
    }

    /// A method.
    #[must_use]
    pub const fn method(&self, method: Method) -> &'static str {
        self.methods[method as usize]
    }
}

static EN: Words = Words {
    right_to_left: false,
    title: "Consent receipt",
    labels: [
        "Person",
        "Decided for",
        "Representative",
        "Decision",
        "Agreed to",
        "Not agreed to",
        "When",
        "Text",
        "Responsible",
        "Legal basis",
        "Jurisdiction",
        "Recipients",
        "Kept",
        "Holds",
        "Given",
        "Receipt number",
        "Entry in the clinic's log",
        "Key fingerprint",
        "To withdraw",
    ],
    purposes: [
        "Care by video",
        "Recording the sound",
        "Recording the picture",
        "An interpreter's presence",
        "Use in teaching",
        "Sharing with a third party",
    ],
    decisions: ["Agreed", "Not agreed", "Withdrawn"],
    capacities: ["Themself", "The patient, as parent or guardian", "The patient, as legal representative"],
    methods: ["On the page of the consultation", "Through the private link to receipts", "Without a signature, by an earlier version"],
    shown: "What was shown",
    proof: "Proof",
    proof_text: "The JSON file of this receipt carries the statement that was signed in the person's browser, the clinic's signature, and the place of the decision in the clinic's tamper-evident log. Anyone can check it without the clinic: bedside consent verify FILE. Compare the key's fingerprint with the one the clinic publishes.",
    withdraw: "Open the private link to your receipts and press Withdraw, or ask the clinic. Withdrawing is as easy as agreeing and changes nothing about your care.",
    until_the_end: "until the consultation ends",
    days: "{n} days",
};

static ES: Words = Words {
    right_to_left: false,
    title: "Recibo de consentimiento",
    labels: [
        "Persona",
        "Decidió por",
        "Representante",
        "Decisión",
        "De acuerdo con",
        "No de acuerdo con",
        "Cuándo",
        "Texto",
        "Responsable",
        "Base jurídica",
        "Jurisdicción",
        "Destinatarios",
        "Se conserva",
        "Vale",
        "Dado",
        "Número de recibo",
        "Entrada en el registro",
        "Huella de la clave",
        "Para retirarlo",
    ],
    purposes: [
        "Atención por vídeo",
        "Grabar el sonido",
        "Grabar la imagen",
        "Presencia de un intérprete",
        "Uso en la enseñanza",
        "Compartir con un tercero",
    ],
    decisions: ["De acuerdo", "No de acuerdo", "Retirado"],
    capacities: ["Sí misma", "El paciente, como madre, padre o tutor", "El paciente, como representante legal"],
    methods: ["En la página de la consulta", "Por el enlace privado a los recibos", "Sin firma, por una versión anterior"],
    shown: "Lo que se mostró",
    proof: "Prueba",
    proof_text: "El archivo JSON de este recibo lleva la declaración firmada en el navegador de la persona, la firma de la clínica y el lugar de la decisión en el registro de la clínica, a prueba de manipulación. Cualquiera puede comprobarlo sin la clínica: bedside consent verify FILE. Compare la huella de la clave con la que publica la clínica.",
    withdraw: "Abra el enlace privado a sus recibos y pulse Retirar, o pídalo a la clínica. Retirarlo es tan fácil como darlo y no cambia nada en su atención.",
    until_the_end: "hasta que termine la consulta",
    days: "{n} días",
};

static DE: Words = Words {
    right_to_left: false,
    title: "Beleg über eine Einwilligung",
    labels: [
        "Person",
        "Entschieden für",
        "Vertretung",
        "Entscheidung",
        "Einverstanden mit",
        "Nicht einverstanden mit",
        "Wann",
        "Text",
        "Verantwortlich",
        "Rechtsgrundlage",
        "Recht",
        "Empfänger",
        "Aufbewahrt",
        "Gilt",
        "Gegeben",
        "Nummer des Belegs",
        "Eintrag im Protokoll",
        "Fingerabdruck des Schlüssels",
        "Widerrufen",
    ],
    purposes: [
        "Behandlung per Video",
        "Aufzeichnen des Tons",
        "Aufzeichnen des Bildes",
        "Anwesenheit einer dolmetschenden Person",
        "Verwendung in der Lehre",
        "Weitergabe an Dritte",
    ],
    decisions: ["Einverstanden", "Nicht einverstanden", "Widerrufen"],
    capacities: ["Sich selbst", "Die behandelte Person, als Elternteil oder Vormund", "Die behandelte Person, als gesetzliche Vertretung"],
    methods: ["Auf der Seite der Sprechstunde", "Über den privaten Link zu den Belegen", "Ohne Unterschrift, durch eine frühere Version"],
    shown: "Was gezeigt wurde",
    proof: "Nachweis",
    proof_text: "Die JSON-Datei dieses Belegs enthält die Erklärung, die im Browser der Person unterschrieben wurde, die Unterschrift der Klinik und den Platz der Entscheidung im fälschungssicheren Protokoll der Klinik. Das kann jeder ohne die Klinik prüfen: bedside consent verify FILE. Vergleichen Sie den Fingerabdruck des Schlüssels mit dem, den die Klinik veröffentlicht.",
    withdraw: "Öffnen Sie den privaten Link zu Ihren Belegen und drücken Sie auf Widerrufen, oder fragen Sie die Klinik. Widerrufen ist so einfach wie zustimmen und ändert nichts an Ihrer Behandlung.",
    until_the_end: "bis die Sprechstunde endet",
    days: "{n} Tage",
};

static FR: Words = Words {
    right_to_left: false,
    title: "Reçu de consentement",
    labels: [
        "Personne",
        "A décidé pour",
        "Représentant",
        "Décision",
        "D’accord avec",
        "Pas d’accord avec",
        "Quand",
        "Texte",
        "Responsable",
        "Base juridique",
        "Droit applicable",
        "Destinataires",
        "Conservé",
        "Valable",
        "Donné",
        "Numéro du reçu",
        "Entrée dans le journal",
        "Empreinte de la clé",
        "Pour retirer",
    ],
    purposes: [
        "Soins par vidéo",
        "Enregistrement du son",
        "Enregistrement de l’image",
        "Présence d’un interprète",
        "Usage dans l’enseignement",
        "Partage avec un tiers",
    ],
    decisions: ["D’accord", "Pas d’accord", "Retiré"],
    capacities: ["Elle-même", "Le patient, comme parent ou tuteur", "Le patient, comme représentant légal"],
    methods: ["Sur la page de la consultation", "Par le lien privé vers les reçus", "Sans signature, par une version antérieure"],
    shown: "Ce qui a été montré",
    proof: "Preuve",
    proof_text: "Le fichier JSON de ce reçu contient la déclaration signée dans le navigateur de la personne, la signature de la clinique et la place de la décision dans le journal infalsifiable de la clinique. Chacun peut le vérifier sans la clinique : bedside consent verify FILE. Comparez l’empreinte de la clé avec celle que la clinique publie.",
    withdraw: "Ouvrez le lien privé vers vos reçus et appuyez sur Retirer, ou demandez à la clinique. Retirer est aussi simple que consentir et ne change rien à vos soins.",
    until_the_end: "jusqu’à la fin de la consultation",
    days: "{n} jours",
};

static AR: Words = Words {
    right_to_left: true,
    title: "إيصال موافقة",
    labels: [
        "الشخص",
        "قرر عن",
        "الممثل",
        "القرار",
        "وافق على",
        "لم يوافق على",
        "متى",
        "النص",
        "المسؤول",
        "الأساس القانوني",
        "القانون المطبق",
        "المتلقون",
        "مدة الحفظ",
        "السريان",
        "الطريقة",
        "رقم الإيصال",
        "القيد في السجل",
        "بصمة المفتاح",
        "لسحب الموافقة",
    ],
    purposes: ["الرعاية عبر الفيديو", "تسجيل الصوت", "تسجيل الصورة", "حضور مترجم شفوي", "الاستخدام في التعليم", "المشاركة مع طرف ثالث"],
    decisions: ["موافق", "غير موافق", "سُحبت الموافقة"],
    capacities: ["نفسه", "المريض، بصفته أحد والديه أو وصياً عليه", "المريض، بصفته ممثله القانوني"],
    methods: ["في صفحة الاستشارة", "عبر الرابط الخاص بالإيصالات", "من دون توقيع، من إصدار سابق"],
    shown: "ما الذي عُرض",
    proof: "الإثبات",
    proof_text: "يحتوي ملف JSON لهذا الإيصال على البيان الذي وُقِّع في متصفح الشخص، وعلى توقيع العيادة، وعلى موضع القرار في سجل العيادة المحمي من التلاعب. يمكن لأي شخص التحقق منه من دون العيادة: bedside consent verify FILE. قارن بصمة المفتاح بتلك التي تنشرها العيادة.",
    withdraw: "افتح الرابط الخاص بإيصالاتك واضغط على سحب الموافقة، أو اطلب ذلك من العيادة. السحب سهل مثل الموافقة ولا يغير شيئاً في رعايتك.",
    until_the_end: "حتى نهاية الاستشارة",
    days: "{n} يوماً",
};
